const MiB = 1024 * 1024;

/** Tells once a second, on standard error, how much of something has come; what takes less is not spoken of. */
export class Progress {
  readonly #verb: string;
  readonly #total: number;

  /** `total`: bytes. */
  constructor(verb: string, total: number) {
    this.#verb = verb;
    this.#total = total;
  }

  /** The same pieces, counted. */
  async *over(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    const begin = performance.now();
    let bytes = 0;
    let told = begin;
    for await (const piece of pieces) {
      yield piece;
      bytes += piece.length;
      const now = performance.now();
      if (now - told < 1_000) continue;
      told = now;
      const rate = bytes / MiB / ((now - begin) / 1_000);
      const percent = Math.floor((100 * bytes) / this.#total);
      process.stderr.write(
        `${this.#verb} ${(bytes / MiB).toFixed(0)} of ${(this.#total / MiB).toFixed(0)} MiB (${percent} %), ${rate.toFixed(0)} MiB/s\n`,
      );
    }
  }
}
