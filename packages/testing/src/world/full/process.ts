import type { Clock, Timer } from '@kontiki/core';
import type { Schedule } from '../schedule.js';

/** How a process perceives time. */
export interface Pace {
  /** Milliseconds of its own in one of the world's. */
  readonly rate: number;
  /** Milliseconds that its event loop needs to get to something; asked each time. */
  readonly loop: () => number;
  /** Milliseconds by which a timer is late; asked each time. */
  readonly lateness: () => number;
}

/**
 * One life of a server's process: what calls into it waits while it stands still, and never comes once it is dead. Its
 * clock begins anywhere, and may run fast or slow.
 */
export class Process implements Clock {
  readonly #schedule: Schedule;
  readonly #pace: Pace;
  #offset: number;
  #dead = false;
  #paused = false;
  /** What would have called while it stood still, oldest first. */
  #waiting: (() => void)[] = [];

  constructor(schedule: Schedule, pace: Pace, offset: number) {
    this.#schedule = schedule;
    this.#pace = pace;
    this.#offset = offset;
  }

  get alive(): boolean {
    return !this.#dead;
  }

  // ---- what is done to it

  kill(): void {
    this.#dead = true;
    this.#waiting = [];
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // One after the other: each with its promises, as an event loop does it.
    for (const run of this.#waiting.splice(0)) this.after(0, run);
  }

  /** Its clock goes forward by `span` milliseconds at once. */
  jump(span: number): void {
    this.#offset += span;
  }

  // ---- what it is called by

  /** Calls into it: at once, when it goes on, or never. */
  enter(run: () => void): void {
    if (this.#dead) return;
    if (this.#paused) this.#waiting.push(run);
    else run();
  }

  after(delay: number, run: () => void): void {
    this.#schedule.after(delay, () => this.enter(run));
  }

  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => this.after(delay, resolve));
  }

  // ---- as a clock

  now(): number {
    return this.#offset + this.#schedule.now * this.#pace.rate;
  }

  defer(callback: () => void): void {
    this.after(this.#pace.loop(), callback);
  }

  timer(fire: () => void): Timer {
    let due = Infinity;
    /** When it is looked at next, in the world's time: a timer that is put off is looked at all the same, and planned anew. */
    let planned = Infinity;
    const look = (at: number): void => {
      if (planned !== at) return;
      planned = Infinity;
      if (this.now() < due) return plan();
      due = Infinity;
      fire();
    };
    const plan = (): void => {
      if (due === Infinity) return;
      // A thousandth keeps rounding from planning a moment that has not quite come.
      const delay = Math.max(0, (due - this.now()) / this.#pace.rate) + 0.001;
      const at = this.#schedule.now + delay + this.#pace.lateness();
      if (at >= planned) return;
      planned = at;
      this.after(at - this.#schedule.now, () => look(at));
    };
    return {
      set: (at) => {
        if (at === due) return;
        due = at;
        plan();
      },
      close: () => {
        due = planned = Infinity;
      },
    };
  }
}
