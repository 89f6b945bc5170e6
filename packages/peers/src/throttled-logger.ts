import type { Logger } from '@kontiki/core';

const INTERVAL_MS = 10_000;
/**
 * Maximum number of topics per interval. A topic consists of a reason and a peer id. Only a cluster
 * with many peers, or a client that invents ids, reaches this number.
 */
const MAX_TOPICS = 256;
/** Topic shared by all lines beyond `MAX_TOPICS`. */
const OTHERS = '';

interface Topic {
  /** Time of the last logged line. */
  readonly since: number;
  /** Number of lines suppressed since then. */
  suppressed: number;
}

/**
 * Logs at most one line per topic, and at most 257 lines in total, per ten seconds. The next line
 * of a topic reports the number of omitted lines as `suppressed`. Without these limits, any client
 * that reaches the port could fill the disk with log lines.
 */
export class ThrottledLogger {
  readonly #logger: Logger;
  readonly #now: () => number;
  /** Topics in the order of their last line, oldest first. */
  readonly #topics = new Map<string, Topic>();

  /** `now` returns monotonic milliseconds. */
  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  log(level: keyof Logger, topic: string, text: string, details: Readonly<Record<string, unknown>> = {}): void {
    const now = this.#now();
    for (const [oldest, { since }] of this.#topics) {
      if (this.#topics.size < MAX_TOPICS || now - since < INTERVAL_MS) break;
      this.#topics.delete(oldest);
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
    if (last !== undefined && now - last.since < INTERVAL_MS) {
      last.suppressed += 1;
      return;
    }
    this.#topics.delete(topic);
    this.#topics.set(topic, { since: now, suppressed: 0 });
    const suppressed = last?.suppressed ?? 0;
    this.#logger[level](text, suppressed > 0 ? { ...details, suppressed } : details);
  }
}
