/** Milliseconds that the commands of one batch should take, beyond the fixed cost of a batch. */
const TARGET_MS = 5;
/** Number of commands in the first batch. */
const FIRST = 64;
const MAX = 16_384;
/** Weight of all earlier batches when a new one is counted. */
const DECAY = 0.8;

/**
 * Sizes batches by what earlier ones took. A batch is bounded in bytes as well, but 256 KiB may hold
 * thousands of commands that take 300 microseconds each, and the event loop, reads and `close` would
 * wait for all of them.
 *
 * A batch of n commands is assumed to take f + n * p: a database has a fixed cost per transaction,
 * which smaller batches would only multiply. The cost of one command, p, is the slope of a line
 * through the recent batches. If all of them had about the same size, the slope is unknown, and the
 * whole duration is attributed to the commands. That makes the next batch smaller, so the slope
 * becomes known.
 */
export class BatchSize {
  #commands = FIRST;
  /** Decayed sums over the batches: their number, and of n, t, n * n and n * t. */
  #sums = { weight: 0, n: 0, t: 0, nn: 0, nt: 0 };

  /** Maximum number of entries in the next batch. */
  get commands(): number {
    return this.#commands;
  }

  /** Notes that a batch of `n` commands took `t` milliseconds. */
  note(n: number, t: number): void {
    if (n === 0) return;
    const { weight, n: sumN, t: sumT, nn, nt } = this.#sums;
    this.#sums = {
      weight: weight * DECAY + 1,
      n: sumN * DECAY + n,
      t: sumT * DECAY + t,
      nn: nn * DECAY + n * n,
      nt: nt * DECAY + n * t,
    };
    const affordable = TARGET_MS / this.#costPerCommand();
    const [least, most] = [Math.ceil(this.#commands / 4), this.#commands * 2];
    this.#commands = Math.floor(Math.max(1, Math.min(MAX, most, Math.max(least, affordable))));
  }

  #costPerCommand(): number {
    const { weight, n, t, nn, nt } = this.#sums;
    const [meanN, meanT] = [n / weight, t / weight];
    const variance = nn / weight - meanN * meanN;
    // Sizes that differ by less than a tenth of their mean do not show a slope.
    if (variance < meanN * meanN * 0.01) return meanT / meanN;
    return Math.max(0, nt / weight - meanN * meanT) / variance;
  }
}
