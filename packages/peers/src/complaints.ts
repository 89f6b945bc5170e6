import type { Logger } from '@kontiki/core';

/** Milliseconds between two lines about the same thing. */
const INTERVAL = 5_000;
/** Things remembered; a flood of different ones begins anew. */
const MOST = 64;

/** Warnings about what others do: whoever knocks at the port all day must not fill the disk with lines. */
export class Complaints {
  readonly #logger: Logger;
  readonly #said = new Map<string, number>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** What is everyday in a cluster whose servers come and go. */
  debug(text: string, error: Error): void {
    this.#logger.debug(text, { error });
  }

  warn(text: string, about: string): void {
    const now = performance.now();
    const key = `${text} ${about}`;
    if (now - (this.#said.get(key) ?? -Infinity) < INTERVAL) return;
    if (this.#said.size >= MOST) this.#said.clear();
    this.#said.set(key, now);
    this.#logger.warn(text, { about });
  }
}
