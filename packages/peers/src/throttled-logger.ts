import type { Logger } from '@kontiki/core';

const INTERVAL = 10_000;
/** Topics are made of reasons and peers' ids, so this is reached only by many peers or by somebody who invents ids. */
const MAX_TOPICS = 256;
/** What all others count as until those have had their ten seconds. */
const OTHERS = '';

interface Topic {
  readonly since: number;
  suppressed: number;
}

/**
 * One line a topic every ten seconds, with the number of those left out, and some hundreds of lines in all: whoever can
 * reach a port could fill a disk.
 */
export class ThrottledLogger {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #topics = new Map<string, Topic>();

  /** `now`: monotonic milliseconds. */
  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  log(level: keyof Logger, topic: string, text: string, details: Readonly<Record<string, unknown>> = {}): void {
    const now = this.#now();
    // The oldest come first.
    for (const [old, { since }] of this.#topics) {
      if (this.#topics.size < MAX_TOPICS || now - since < INTERVAL) break;
      this.#topics.delete(old);
    }
    const known = this.#topics.has(topic) || this.#topics.size < MAX_TOPICS;
    this.#log(level, known ? topic : OTHERS, now, text, details);
  }

  #log(
    level: keyof Logger,
    topic: string,
    now: number,
    text: string,
    details: Readonly<Record<string, unknown>>,
  ): void {
    const last = this.#topics.get(topic);
    if (last !== undefined && now - last.since < INTERVAL) {
      last.suppressed += 1;
      return;
    }
    this.#topics.delete(topic);
    this.#topics.set(topic, { since: now, suppressed: 0 });
    const suppressed = last?.suppressed ?? 0;
    this.#logger[level](text, suppressed > 0 ? { ...details, suppressed } : details);
  }
}
