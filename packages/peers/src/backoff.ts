/**
 * The delays between attempts, which double from `minMs` to `maxMs`. Each delay is shortened at
 * random by up to half, so that servers that failed together do not retry together.
 */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;
  #nextMs: number;

  /** `random` must return uniformly distributed numbers in [0, 1). */
  constructor(minMs: number, maxMs: number, random: () => number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#random = random;
    this.#nextMs = minMs;
  }

  /** Returns the number of milliseconds to wait before the next attempt. */
  next(): number {
    const delay = this.#nextMs;
    this.#nextMs = Math.min(this.#maxMs, delay * 2);
    return delay * (0.5 + this.#random() / 2);
  }

  /** Resets the delay to `minMs`. Called after a successful attempt. */
  reset(): void {
    this.#nextMs = this.#minMs;
  }
}
