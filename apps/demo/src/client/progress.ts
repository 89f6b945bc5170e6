const MiB = 1024 * 1024;

/** Tells how far something is, on standard error, once a second; what takes less is not spoken of. */
export class Ticker {
  #told: number = performance.now();

  tell(line: () => string): void {
    const now = performance.now();
    if (now - this.#told < 1_000) return;
    this.#told = now;
    process.stderr.write(`${line()}\n`);
  }
}

/** Tells how much of something has come. */
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
    const ticker = new Ticker();
    let bytes = 0;
    for await (const piece of pieces) {
      yield piece;
      bytes += piece.length;
      ticker.tell(() => {
        const rate = bytes / MiB / ((performance.now() - begin) / 1_000);
        const percent = Math.floor((100 * bytes) / this.#total);
        return `${this.#verb} ${(bytes / MiB).toFixed(0)} of ${(this.#total / MiB).toFixed(0)} MiB (${percent} %), ${rate.toFixed(0)} MiB/s`;
      });
    }
  }
}
