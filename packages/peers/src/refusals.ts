/** Counts the connections that a server refused, by reason. Reasons come from the code, never from a client. */
export class Refusals {
  readonly #counts = new Map<string, number>();

  count(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  get byReason(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
