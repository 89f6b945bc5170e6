import type { Clock, Timer } from '@kontiki/core';
import { drainPromises } from './drain-promises.js';

interface Alarm {
  at: number;
  /** Alarms of the same time fire in the order in which they were set. */
  order: number;
  readonly fire: () => void;
}

/**
 * Time that passes only when a test says so. Between two steps all promises settle, so a whole node runs on it: one
 * order of events, however fast the machine is.
 */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  #soon: (() => void)[] = [];
  readonly #alarms = new Set<Alarm>();

  now(): number {
    return this.#now;
  }

  defer(callback: () => void): void {
    this.#soon.push(callback);
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

  /** Runs what can run without time passing: callbacks and promises, until none is left. */
  async settle(): Promise<void> {
    do {
      await drainPromises();
      const due = this.#soon;
      this.#soon = [];
      for (const callback of due) callback();
    } while (this.#soon.length > 0 || (await this.#stirred()));
  }

  /** Lets `ms` milliseconds pass, alarm by alarm. */
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

  /** Lets time pass until a condition holds; throws when it doesn't within `limit` milliseconds. */
  async until(condition: () => boolean, limit = 60_000): Promise<void> {
    await this.settle();
    for (const end = this.#now + limit; !condition(); await this.elapse(5)) {
      if (this.#now >= end) throw new Error(`the condition does not hold after ${limit} ms of virtual time`);
    }
  }

  /** Time passes and nobody sees it: a suspended process, or a blocked event loop. */
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

  /** Whether promises that settled now have asked for more. */
  async #stirred(): Promise<boolean> {
    await drainPromises();
    return this.#soon.length > 0;
  }
}
