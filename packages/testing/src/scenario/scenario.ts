import type { ServerId } from '@kontiki/core';
import type { Which } from './net.js';
import type { ScenarioServer } from './server.js';
import { Stage } from './stage.js';

/** Steps after which a cluster that was to come to rest has a storm of messages. */
const STORM = 100_000;

/**
 * A directed case: pure `Raft`s on virtual time, moved by hand. Nothing moves by itself: disks finish a write at `write`,
 * messages arrive at `deliver`, time passes at `skip` and `tick`; or `settle` and `elapse` do all of it in a fixed order.
 * Every step throws a `Violation` when it breaks an invariant, whatever the case itself is about.
 */
export class Scenario extends Stage {
  /** A server campaigns until it leads, which it must be able to, without time passing; messages that `held` means stay under way. */
  elect(id: ServerId, held?: Which): void {
    this.settle(held);
    // A refusal may have to tell it of a higher term first.
    for (let attempt = 0; attempt < 3 && this.raft(id).role !== 'leader'; attempt += 1) {
      this.campaign(id);
      this.settle(held);
    }
    if (this.raft(id).role !== 'leader') throw new Error(`${id} is not elected`);
  }

  /** Lets disks and messages run until nothing moves, in order, without time passing; messages that `held` means stay under way. */
  settle(held: Which = () => false): void {
    for (let i = 0; i < STORM; i += 1) {
      let moved = false;
      for (const { id } of this.#running) {
        if (!this.stalled.has(id)) while (this.write(id)) moved = true;
        while (this.readPage(id)) moved = true;
      }
      const flight = this.net.next(held, this.paused);
      if (flight !== undefined) {
        if (this.net.carries(flight)) this.arrive(flight);
        moved = true;
      }
      if (!moved) return;
    }
    throw new Error('the cluster does not come to rest: a storm of messages');
  }

  /** Lets time pass, timer by timer, settling after each. */
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

  /** Lets time pass until a condition holds; fails after `limit` milliseconds, by default of 20 elections. */
  elapseUntil(condition: () => boolean, limit: number = 20 * this.timings.election): void {
    for (const end = this.now + limit; !condition(); this.elapse(5)) {
      if (this.now >= end) throw new Error(`the condition does not hold after ${limit} ms`);
    }
  }

  get #running(): ScenarioServer[] {
    return [...this.servers.values()].filter(({ id, up }) => up && !this.paused.has(id));
  }
}
