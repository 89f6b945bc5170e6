import type { Message, ServerId, Status } from '@kontiki/core';
import type { InvariantChecker } from '../invariant-checker.js';

/** The newest version of the state machine that any program has. */
export const MAX_VERSION = 4;

/**
 * Checks that a version of the state machine is raised only after every member has announced it.
 */
export class Versions {
  readonly #invariants: InvariantChecker;
  /**
   * The newest version that each server has announced to the leader of each term, by term and
   * server.
   */
  readonly #announced = new Map<string, number>();
  /** The highest version that a leader has tried to put in force. */
  highest = 0;

  constructor(invariants: InvariantChecker) {
    this.#invariants = invariants;
  }

  /** Called when a server sends a message. */
  sent(id: ServerId, message: Message): void {
    if (message.kind !== 'heartbeatReply') return;
    const key = `${message.term} ${id}`;
    this.#announced.set(key, Math.max(this.#announced.get(key) ?? 0, message.behavior ?? 0));
  }

  /** Called before a leader puts a version in force. */
  raises({ id, term, membership, behavior = 0 }: Status, to: number): void {
    this.highest = Math.max(this.highest, to);
    for (const member of membership?.servers.keys() ?? []) {
      const known = member === id ? behavior : (this.#announced.get(`${term} ${member}`) ?? 0);
      this.#invariants.check(
        'versionsAreKnown',
        known >= to,
        () => `${id} raises the version to ${to}, but ${member} has announced ${known}`,
      );
    }
  }
}
