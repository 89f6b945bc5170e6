import type { ServerId } from '@kontiki/core';
import type { Raft } from '@kontiki/core/protocol';
import type { InvariantChecker } from '../invariant-checker.js';
import type { Mix } from '../mix.js';

/** Watches what a world's limits and timings bound: queues, and how long a leader leads unheard. */
export class Bounds {
  readonly #invariants: InvariantChecker;
  readonly #mix: Mix;
  /** The lives that have led: what they added then is on top of a follower's share. */
  readonly #ledOnce = new WeakSet<Raft>();

  constructor(invariants: InvariantChecker, mix: Mix) {
    this.#invariants = invariants;
    this.#mix = mix;
  }

  /** A turn fills a window at the most, and answers what it was told: never anywhere near a thousand messages. */
  mailed(id: ServerId, role: string | undefined, count: number): void {
    const most = this.#mix.limits.windowMessages + 1_000;
    this.#bound(count <= most, () => `${id} (${role}) sends ${count} messages in one turn`);
  }

  turned(id: ServerId, raft: Raft): void {
    if (raft.role === 'leader') this.#leads(id, raft);
    const { log, uncommittedBytes } = raft;
    const { limits, commandBytes } = this.#mix;
    const entry = commandBytes + 1_000;
    const uncommitted = uncommittedBytes >= 0 && uncommittedBytes <= limits.uncommittedBytes + entry;
    this.#bound(uncommitted, () => `${id} holds ${uncommittedBytes} uncommitted bytes`);
    const added = this.#ledOnce.has(raft) ? limits.uncommittedBytes : 0;
    const undurable = limits.undurableBytes + limits.messageBytes + added + entry;
    this.#bound(log.undurableBytes <= undurable, () => `${id} awaits ${log.undurableBytes} bytes`);
    if (log.applied < log.lastIndex) return;
    this.#bound(log.heldBytes <= limits.tailBytes, () => `${id} keeps ${log.heldBytes} bytes`);
  }

  /** No leader leads for long without a majority's answers. Where time itself is broken nobody can tell how long. */
  #leads(id: ServerId, raft: Raft): void {
    this.#ledOnce.add(raft);
    const { peers, now, timings } = raft;
    const { windowMessages } = this.#mix.limits;
    const longest = 2 * timings.election + timings.heartbeat;
    let heard = 1;
    for (const [peer, { window, lastActive }] of peers ?? []) {
      this.#bound(window.size <= windowMessages, () => `${window.size} messages to ${peer} under way`);
      if (now - lastActive <= longest) heard += 1;
    }
    const { pauses, lateTimers, slowLoops, retimings } = this.#mix.strength;
    if (pauses + lateTimers + slowLoops + retimings > 0) return;
    const byRight = heard * 2 > this.#mix.servers;
    this.#invariants.check('leaderHearsMajority', byRight, () => `${id} leads and hears ${heard - 1} others`);
  }

  #bound(holds: boolean, broken: () => string): void {
    this.#invariants.check('queuesAreBounded', holds, broken);
  }
}
