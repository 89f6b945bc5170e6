/**
 * Shows progress on standard error. On a terminal, it overwrites one line five times per second.
 * Otherwise, it prints a line every 15 seconds.
 */
export class Progress {
  readonly #intervalMs = process.stderr.isTTY ? 200 : 15_000;
  #last = performance.now();

  show(line: () => string): void {
    const now = performance.now();
    if (now - this.#last < this.#intervalMs) return;
    this.#last = now;
    process.stderr.write(process.stderr.isTTY ? `\r\u001B[K${line()}` : `${line()}\n`);
  }

  /** Clears the progress line, so that other output can be printed. */
  clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
  }
}
