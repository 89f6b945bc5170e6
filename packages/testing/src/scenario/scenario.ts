import type { ServerId } from '@kontiki/core';
import type { MessageFilter } from './network.js';
import type { ScenarioServer } from './server.js';
import { ScenarioCluster } from './cluster.js';

/** Maximum number of steps that `settle` may take. */
const MAX_STEPS = 100_000;

/**
 * A directed test of the protocol. It runs pure `Raft`s on virtual time under the control of the
 * test, with no randomness except for election timeouts. An event happens only when the test
 * requests it. `write` finishes a disk write, `deliver` delivers messages, `skip` advances time,
 * and `tick` checks timers. `settle` and `elapse` do all of this in a fixed order.
 *
 * Every step also checks invariants, and throws a `Violation` if one is broken. A scenario can
 * therefore also fail because of a bug that it was not written for.
 */
export class Scenario extends ScenarioCluster {
  /**
   * Makes a server campaign until it leads, without advancing time. Throws if the server is not
   * elected in three attempts. Messages that match `held` stay in flight.
   */
  elect(id: ServerId, held?: MessageFilter): void {
    this.settle(held);
    // The first attempt may fail because another server has a higher term.
    for (let attempt = 0; attempt < 3 && this.raft(id).role !== 'leader'; attempt += 1) {
      this.campaign(id);
      this.settle(held);
    }
    if (this.raft(id).role !== 'leader') throw new Error(`${id} is not elected`);
  }

  /**
   * Finishes writes and delivers messages until none are left, without advancing time. Messages
   * that match `held` stay in flight. Throws if the servers never stop sending.
   */
  settle(held: MessageFilter = () => false): void {
    for (let i = 0; i < MAX_STEPS; i += 1) {
      let idle = true;
      for (const { id } of this.#running) {
        if (!this.stalled.has(id)) while (this.write(id)) idle = false;
        while (this.readPage(id)) idle = false;
      }
      const envelope = this.network.next(held, this.paused);
      if (envelope !== undefined) {
        if (this.network.carries(envelope)) this.arrive(envelope);
        idle = false;
      }
      if (idle) return;
    }
    throw new Error(`the cluster does not settle within ${MAX_STEPS} steps`);
  }

  /**
   * Advances time by `ms` milliseconds. Fires each timer that becomes due, and calls `settle` after
   * each one.
   */
  elapse(ms: number): void {
    const end = this.now + ms;
    this.settle();
    for (;;) {
      const next = Math.min(...this.#running.map(({ raft }) => raft.wakeAt));
      if (next > end) break;
      this.skip(Math.max(0, next - this.now));
      for (const { id, raft } of this.#running) {
        if (raft.wakeAt <= this.now) this.turn(id);
      }
      this.settle();
    }
    this.skip(end - this.now);
  }

  /**
   * Advances time until a condition is true. Throws if it is still false after `limit`
   * milliseconds, by default 20 election timeouts.
   */
  elapseUntil(condition: () => boolean, limit: number = 20 * this.timings.election): void {
    for (const end = this.now + limit; !condition(); this.elapse(5)) {
      if (this.now >= end) throw new Error(`the condition is still false after ${limit} ms`);
    }
  }

  get #running(): ScenarioServer[] {
    return [...this.servers.values()].filter(({ id, up }) => up && !this.paused.has(id));
  }
}
