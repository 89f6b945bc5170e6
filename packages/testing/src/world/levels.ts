import {
  type Entry,
  isVoter,
  type Membership,
  type MembershipEntry,
  type Message,
  type Received,
  type ServerId,
} from '@kontiki/core';
import { STAMPED_LEVEL } from '@kontiki/core/protocol';
import type { InvariantChecker } from './invariant-checker.js';

/** The highest feature level of the versions in a world. */
export const MAX_LEVEL = 3;

/** Returns the lowest feature level of the versions that can read an entry. */
export function levelOf(entry: Entry): number {
  return Math.max(
    entry.time === undefined ? 0 : STAMPED_LEVEL,
    entry.kind === 'membership' ? entry.membership.level : 0,
  );
}

/** Returns the result of decoding a message on a server that reads up to `level`. */
export function readAs(level: number, message: Message): Received {
  if (message.kind !== 'append') return message;
  const entry = message.entries.find((held) => levelOf(held) > level);
  if (entry === undefined) return message;
  const { term, incarnation } = message;
  return { kind: 'unreadable', term, incarnation, index: entry.index, reason: 'The entry has a newer level.' };
}

/**
 * Checks that no log contains an entry of a feature level that some member has not announced as
 * readable. Also checks that levels never decrease.
 */
export class Levels {
  readonly #invariants: InvariantChecker;
  /**
   * The highest level that each server has announced to the leader of each term, by term and
   * server.
   */
  readonly #named = new Map<string, number>();

  constructor(invariants: InvariantChecker) {
    this.#invariants = invariants;
  }

  /** Called when a server sends a message. */
  sent(id: ServerId, message: Message): void {
    if (message.kind !== 'heartbeatReply') return;
    const key = `${message.term} ${id}`;
    this.#named.set(key, Math.max(this.#named.get(key) ?? 0, message.level ?? 0));
  }

  /** Called when a server that reads up to `own` appends a membership. */
  appends(
    id: ServerId,
    own: number,
    leads: boolean,
    { index, term, membership }: MembershipEntry,
    before: Membership,
  ): void {
    const { level, servers, voters } = membership;
    this.#check(level >= before.level, () => `${id} appends membership ${index}, which lowers the level to ${level}`);
    this.#check(level <= own, () => `${id} appends membership ${index} of level ${level}, but reads only ${own}`);
    if (!leads) return;
    const fresh = level > before.level ? [...servers.keys()] : voters.filter((voter) => !isVoter(before, voter));
    for (const server of fresh) {
      const reads = server === id ? own : this.#named.get(`${term} ${server}`);
      this.#check(
        reads !== undefined && reads >= level,
        () => `${id} needs level ${level} of ${server} in membership ${index}, which has named ${reads}`,
      );
    }
  }

  /** Called when a server appends an entry under a membership of feature level `level`. */
  stamps(id: ServerId, { index, time }: Entry, level: number): void {
    const holds = (time !== undefined) === level >= STAMPED_LEVEL;
    this.#check(holds, () => `${id} appends entry ${index} with the log time ${time} at level ${level}`);
  }

  #check(holds: boolean, broken: () => string): void {
    this.#invariants.check('levelsAreRead', holds, broken);
  }
}
