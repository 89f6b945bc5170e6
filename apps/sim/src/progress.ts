/** A line that is written over and over on a terminal, and now and then elsewhere. */
export class Progress {
  readonly #every = process.stderr.isTTY ? 200 : 15_000;
  #last = performance.now();

  show(line: () => string): void {
    const now = performance.now();
    if (now - this.#last < this.#every) return;
    this.#last = now;
    process.stderr.write(process.stderr.isTTY ? `\r\u001B[K${line()}` : `${line()}\n`);
  }

  /** Clears the line, so that a result may stand there. */
  clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
  }
}
