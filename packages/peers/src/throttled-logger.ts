import type { Logger, ServerId } from '@kontiki/core';

const INTERVAL_MS = 10_000;

/**
 * Characters that break a line, that control a terminal, or that change the direction of text.
 * These are the Unicode categories control, format, line separator and paragraph separator.
 */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Escapes control characters in a string that may quote another server. */
function escapeControls(text: string): string {
  return text.replace(CONTROLS, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

interface Topic {
  /** The time at which the last message was logged. */
  readonly since: number;
  /** Number of messages that have been omitted since then. */
  suppressed: number;
}

/**
 * Logs at most one message per topic every ten seconds. The next message on a topic reports the
 * number of omitted ones as `suppressed`. Without this limit, any client that reaches the port
 * could fill the disk with log messages. For the same reason, clients must not be able to invent
 * topics, so `topic` names only members of the cluster. Control characters are escaped, so that a
 * client can neither forge lines nor send commands to a terminal.
 */
export class ThrottledLogger {
  readonly #logger: Logger;
  readonly #isMember: (id: ServerId) => boolean;
  readonly #now: () => number;
  readonly #topics = new Map<string, Topic>();

  /** `now` returns the time of a monotonic clock in milliseconds. */
  constructor(
    logger: Logger,
    isMember: (id: ServerId) => boolean = () => true,
    now: () => number = () => performance.now(),
  ) {
    this.#logger = logger;
    this.#isMember = isMember;
    this.#now = now;
  }

  /** Returns the topic for a reason and a peer. All peers that are not members share one topic. */
  topic(reason: string, peer: ServerId): string {
    return this.#isMember(peer) ? `${reason} ${peer}` : reason;
  }

  log(level: keyof Logger, topic: string, text: string, details: Readonly<Record<string, unknown>> = {}): void {
    const now = this.#now();
    const last = this.#topics.get(topic);
    if (last !== undefined && now - last.since < INTERVAL_MS) {
      last.suppressed += 1;
      return;
    }
    this.#topics.set(topic, { since: now, suppressed: 0 });
    const suppressed = last?.suppressed ?? 0;
    this.#logger[level](escapeControls(text), suppressed > 0 ? { ...details, suppressed } : details);
  }
}
