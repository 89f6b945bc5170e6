/**
 * Target duration of the commands in one batch, in milliseconds, not including the batch's fixed
 * cost.
 */
const TARGET_MS = 5;
/** Number of commands in the first batch. */
const FIRST = 64;
const MAX = 16_384;

/**
 * Chooses the size of each batch from the durations of earlier batches. Batches are also limited to
 * 256 KiB, but that can still be thousands of commands. If each of them took 300 microseconds, the
 * event loop, reads and `close` would have to wait too long.
 *
 * The model assumes that a batch of n commands takes f + n * p milliseconds. f is a fixed cost,
 * such as a database transaction. Smaller batches would only add more fixed costs, so only n * p is
 * kept below the target. f is estimated from two consecutive batches of different sizes.
 */
export class BatchSize {
  #commands = FIRST;
  #fixedMs = 0;
  /** The number of commands in the previous batch, and its duration in milliseconds. */
  #previous = { n: 0, t: 0 };

  /** Maximum number of entries in the next batch, according to this estimate. */
  get commands(): number {
    return this.#commands;
  }

  /** Records that a batch of `n` commands took `t` milliseconds. */
  note(n: number, t: number): void {
    if (n === 0) return;
    const before = this.#previous;
    this.#previous = { n, t };
    // Two batches of similar sizes only reveal an upper bound on the fixed cost.
    if (Math.max(n, before.n) < 1.5 * Math.min(n, before.n)) this.#fixedMs = Math.min(this.#fixedMs, t);
    else {
      const perCommand = Math.max(0, (t - before.t) / (n - before.n));
      this.#fixedMs = Math.max(0, Math.min(t, before.t, t - n * perCommand));
    }
    const affordable = TARGET_MS / ((t - this.#fixedMs) / n);
    const [least, most] = [this.#commands / 4, Math.min(MAX, this.#commands * 2)];
    this.#commands = Math.max(1, Math.floor(Math.min(most, Math.max(least, affordable))));
  }
}
