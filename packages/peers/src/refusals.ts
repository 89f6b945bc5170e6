/**
 * Counts what a server refused, by reason: the reason of a `HandshakeError`, `tls` for a failed TLS
 * handshake, `unidentified` for a connection closed because there were too many without a handshake,
 * and `frame` for an invalid frame. Clients cannot invent reasons.
 */
export class Refusals {
  readonly #counts = new Map<string, number>();

  count(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  get byReason(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
