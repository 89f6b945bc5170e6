const MiB = 1024 * 1024;

/**
 * Prints progress on standard error, at most once per second. An operation that takes less than a
 * second prints nothing.
 */
export class ProgressPrinter {
  #lastPrinted: number = performance.now();

  print(line: () => string): void {
    const now = performance.now();
    if (now - this.#lastPrinted < 1_000) return;
    this.#lastPrinted = now;
    process.stderr.write(`${line()}\n`);
  }
}

/** Prints how much of a stream has been read. */
export class StreamProgress {
  readonly #verb: string;
  readonly #totalBytes: number;

  /** `verb` is the first word of each line, for example `saved`. */
  constructor(verb: string, totalBytes: number) {
    this.#verb = verb;
    this.#totalBytes = totalBytes;
  }

  /** Yields the chunks of a stream unchanged and prints the progress. */
  async *watch(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    const start = performance.now();
    const printer = new ProgressPrinter();
    let bytes = 0;
    for await (const chunk of chunks) {
      yield chunk;
      bytes += chunk.length;
      printer.print(() => {
        const rate = bytes / MiB / ((performance.now() - start) / 1_000);
        const percent = Math.floor((100 * bytes) / this.#totalBytes);
        const total = (this.#totalBytes / MiB).toFixed(0);
        return `${this.#verb} ${(bytes / MiB).toFixed(0)} of ${total} MiB (${percent} %), ${rate.toFixed(0)} MiB/s`;
      });
    }
  }
}
