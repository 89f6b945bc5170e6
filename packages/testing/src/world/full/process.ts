import type { Clock, Timer } from '@kontiki/core';
import type { Schedule } from '../schedule.js';

/** The clock, event loop and timers of a process. */
export interface Pace {
  /** Milliseconds of the process's clock per millisecond of the world. */
  readonly rate: number;
  /** Draws the milliseconds that the event loop needs until it runs a deferred callback. */
  readonly loop: () => number;
  /** Draws the milliseconds by which a timer is late. */
  readonly lateness: () => number;
}

/**
 * One process of a server, from a start to a crash. Everything that runs in it enters through this
 * class. While the process is paused, entries wait. After it is killed, they are dropped. It is
 * also the clock of the process, which starts at a random time and may run fast or slow.
 */
export class Process implements Clock {
  readonly #schedule: Schedule;
  readonly #pace: Pace;
  #offset: number;
  #dead = false;
  #paused = false;
  /** Calls that wait until the process resumes, oldest first. */
  #waiting: (() => void)[] = [];

  constructor(schedule: Schedule, pace: Pace, offset: number) {
    this.#schedule = schedule;
    this.#pace = pace;
    this.#offset = offset;
  }

  get alive(): boolean {
    return !this.#dead;
  }

  // ---- faults

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
    // Each call is an event of its own, so that its promises settle before the next call runs.
    for (const run of this.#waiting.splice(0)) this.after(0, run);
  }

  /** Moves the clock forward by `span` milliseconds at once. */
  jump(span: number): void {
    this.#offset += span;
  }

  // ---- calls into the process

  /**
   * Runs a function in the process: immediately, after a pause, or never if the process is dead.
   */
  enter(run: () => void): void {
    if (this.#dead) return;
    if (this.#paused) this.#waiting.push(run);
    else run();
  }

  /** Runs a function in the process after a delay in the world's milliseconds. */
  after(delay: number, run: () => void): void {
    this.#schedule.after(delay, () => this.enter(run));
  }

  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => this.after(delay, resolve));
  }

  // ---- Clock

  now(): number {
    return this.#offset + this.#schedule.now * this.#pace.rate;
  }

  defer(callback: () => void): void {
    this.after(this.#pace.loop(), callback);
  }

  timer(fire: () => void): Timer {
    let due = Infinity;
    /**
     * World time of the next check. If the timer moves to a later time, the check stays and plans
     * another.
     */
    let planned = Infinity;
    const check = (at: number): void => {
      if (planned !== at) return;
      planned = Infinity;
      if (this.now() < due) return plan();
      due = Infinity;
      fire();
    };
    const plan = (): void => {
      if (due === Infinity) return;
      // Rounding must not plan a time just before `due`, hence the added microsecond.
      const delay = Math.max(0, (due - this.now()) / this.#pace.rate) + 0.001;
      const at = this.#schedule.now + delay + this.#pace.lateness();
      if (at >= planned) return;
      planned = at;
      this.after(at - this.#schedule.now, () => check(at));
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
