/** Milliseconds that the commands of one batch should take, beyond the fixed cost of a batch. */
const TARGET_MS = 5;
/** Number of commands in the first batch. */
const FIRST = 64;
const MAX = 16_384;

/**
 * Chooses the size of each batch from the durations of earlier batches. Batches also have a limit
 * in bytes, but 256 KiB may contain thousands of commands that take 300 microseconds each. The
 * event loop, reads and `close` would wait for all of them.
 *
 * A batch of n commands is assumed to take f + n * p milliseconds. A database has a fixed cost f
 * per transaction, which smaller batches would only multiply, so only n * p is kept below the
 * target. f is estimated from two consecutive batches of different sizes.
 */
export class BatchSize {
  #commands = FIRST;
  #fixedMs = 0;
  /** Commands and milliseconds of the previous batch. */
  #previous = { n: 0, t: 0 };

  /** Maximum number of entries in the next batch. */
  get commands(): number {
    return this.#commands;
  }

  /** Notes that a batch of `n` commands took `t` milliseconds. */
  note(n: number, t: number): void {
    if (n === 0) return;
    const before = this.#previous;
    this.#previous = { n, t };
    // Two batches of about the same size show only an upper limit for the fixed cost.
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
