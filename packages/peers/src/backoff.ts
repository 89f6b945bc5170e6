/**
 * How long to wait before the next attempt: doubling from `min` to `max` milliseconds, of which the upper half is drawn
 * at random, so that servers that failed together don't try again together.
 */
export class Backoff {
  readonly #min: number;
  readonly #max: number;
  readonly #random: () => number;
  #next: number;

  /** `random`: uniform in [0, 1). */
  constructor(min: number, max: number, random: () => number) {
    this.#min = min;
    this.#max = max;
    this.#random = random;
    this.#next = min;
  }

  /** Milliseconds to wait now. */
  next(): number {
    const delay = this.#next;
    this.#next = Math.min(this.#max, delay * 2);
    return delay * (0.5 + this.#random() / 2);
  }

  /** The attempt came to something: begins from `min` again. */
  reset(): void {
    this.#next = this.#min;
  }
}
