import type { Clock, Timer } from '@kontiki/core';
import { drainPromises } from './drain-promises.js';

interface Alarm {
  at: number;
  /**
   * Position of an alarm among those that are due at the same time. Such alarms fire in the order
   * in which they were set.
   */
  order: number;
  readonly fire: () => void;
}

/**
 * A clock whose time advances only when a test calls `elapse`, `until` or `suspend`. Timers fire in
 * the order of their due times, and all promises settle before the next timer fires. Tests run
 * whole nodes on it, with an order of events that does not depend on the machine's speed.
 */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  #deferred: (() => void)[] = [];
  readonly #alarms = new Set<Alarm>();

  now(): number {
    return this.#now;
  }

  defer(callback: () => void): void {
    this.#deferred.push(callback);
  }

  timer(fire: () => void): Timer {
    const alarm: Alarm = { at: Infinity, order: 0, fire };
    return {
      set: (at) => {
        alarm.at = at;
        alarm.order = this.#order += 1;
        if (at === Infinity) this.#alarms.delete(alarm);
        else this.#alarms.add(alarm);
      },
      close: () => void this.#alarms.delete(alarm),
    };
  }

  /** Runs deferred callbacks and settles promises until none are left, without advancing time. */
  async settle(): Promise<void> {
    do {
      await drainPromises();
      const due = this.#deferred;
      this.#deferred = [];
      for (const callback of due) callback();
    } while (this.#deferred.length > 0 || (await this.#hasDeferred()));
  }

  /** Advances time by `ms` milliseconds and fires each timer that becomes due. */
  async elapse(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#now = Math.max(this.#now, next.at);
      this.#alarms.delete(next);
      next.at = Infinity;
      next.fire();
      await this.settle();
    }
    this.#now = end;
  }

  /**
   * Advances time until a condition is true. Rejects if it is still false after `limit`
   * milliseconds.
   */
  async until(condition: () => boolean, limit = 60_000): Promise<void> {
    await this.settle();
    for (const end = this.#now + limit; !condition(); await this.elapse(5)) {
      if (this.#now >= end) throw new Error(`the condition is still false after ${limit} ms of virtual time`);
    }
  }

  /** Advances time without firing timers, like a suspended process or a blocked event loop. */
  suspend(ms: number): void {
    this.#now += ms;
  }

  #next(end: number): Alarm | undefined {
    let next: Alarm | undefined;
    for (const alarm of this.#alarms) {
      if (alarm.at > end) continue;
      if (next === undefined || alarm.at < next.at || (alarm.at === next.at && alarm.order < next.order)) next = alarm;
    }
    return next;
  }

  /** Settles promises. Returns whether the promises deferred more callbacks. */
  async #hasDeferred(): Promise<boolean> {
    await drainPromises();
    return this.#deferred.length > 0;
  }
}
