import type { ServerId } from '@kontiki/core';
import type { Raft } from '@kontiki/core/protocol';
import type { InvariantChecker } from '../invariant-checker.js';
import type { Mix } from '../mix.js';

/**
 * Checks that queues stay within the world's limits, and that a leader that does not hear from a
 * majority steps down.
 */
export class Bounds {
  readonly #invariants: InvariantChecker;
  readonly #mix: Mix;
  /**
   * Processes that have led at some time. Their memory may still contain entries appended as
   * leader.
   */
  readonly #ledOnce = new WeakSet<Raft>();

  constructor(invariants: InvariantChecker, mix: Mix) {
    this.#invariants = invariants;
    this.#mix = mix;
  }

  /**
   * Called when a server sends `count` messages to one peer in one turn. A server may fill the
   * peer's window and answer all received messages, which number far fewer than 1,000.
   */
  mailed(id: ServerId, role: string | undefined, count: number): void {
    const most = this.#mix.limits.windowMessages + 1_000;
    this.#bound(count <= most, () => `${id} (${role}) sends ${count} messages in one turn`);
  }

  /** Called after each turn of a server. */
  turned(id: ServerId, raft: Raft): void {
    if (raft.role === 'leader') this.#leads(id, raft);
    const { log, uncommittedBytes } = raft;
    const { limits, commandBytes } = this.#mix;
    const entry = commandBytes + 1_000;
    const uncommitted = uncommittedBytes >= 0 && uncommittedBytes <= limits.uncommittedBytes + entry;
    this.#bound(uncommitted, () => `${id} holds ${uncommittedBytes} uncommitted bytes`);
    const added = this.#ledOnce.has(raft) ? limits.uncommittedBytes : 0;
    const undurable = limits.undurableBytes + limits.messageBytes + added + entry;
    this.#bound(log.undurableBytes <= undurable, () => `${id} holds ${log.undurableBytes} bytes that are not durable`);
    if (log.applied < log.lastIndex) return;
    this.#bound(log.heldBytes <= limits.tailBytes, () => `${id} holds ${log.heldBytes} bytes after applying them`);
  }

  /**
   * Checks that a leader heard from a majority within the last two election timeouts. Skips this
   * check if the world has faults that affect timing, because a leader may then step down later.
   */
  #leads(id: ServerId, raft: Raft): void {
    this.#ledOnce.add(raft);
    const { peers, now, timings } = raft;
    const { windowMessages } = this.#mix.limits;
    const longest = 2 * timings.election + timings.heartbeat;
    let heard = 1;
    for (const [peer, { window, lastActive }] of peers ?? []) {
      this.#bound(window.size <= windowMessages, () => `${window.size} messages to ${peer} are in flight`);
      if (now - lastActive <= longest) heard += 1;
    }
    const { pauses, lateTimers, slowLoops, retimings } = this.#mix.strength;
    if (pauses + lateTimers + slowLoops + retimings > 0) return;
    const hearsMajority = heard * 2 > this.#mix.servers;
    this.#invariants.check('leaderHearsMajority', hearsMajority, () => `${id} leads and hears ${heard - 1} others`);
  }

  #bound(holds: boolean, broken: () => string): void {
    this.#invariants.check('queuesAreBounded', holds, broken);
  }
}
