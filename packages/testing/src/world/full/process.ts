import type { Clock, Timer } from '@kontiki/core';
import type { Schedule } from '../schedule.js';

/** The speed of a process: its clock, event loop and timers. */
export interface Pace {
  /** Number of milliseconds that the process's clock advances per simulated millisecond. */
  readonly rate: number;
  /**
   * Draws the delay in milliseconds before the event loop runs a callback. Undefined if the process
   * handles each event at once.
   */
  readonly loop: (() => number) | undefined;
  /** Draws the number of milliseconds by which a timer fires late. */
  readonly lateness: () => number;
}

/**
 * One process of a server, from a start to a crash. All callbacks run through this class. While the
 * process is paused, callbacks wait. After it is killed, they are dropped. The class is also the
 * clock of the process, which starts at a random time and may run fast or slow.
 */
export class Process implements Clock {
  readonly #schedule: Schedule;
  readonly #pace: Pace;
  #offset: number;
  /** The wall clock minus the monotonic clock at the time when the latter last ran. */
  #wallOffset = 0;
  /** The simulated time at which the machine was suspended. Undefined while it runs. */
  #suspendedAt: number | undefined;
  #dead = false;
  #paused = false;
  /** Callbacks waiting for the process to resume, oldest first. */
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

  /** Pauses the process and stops its monotonic clock. */
  suspend(): void {
    this.pause();
    this.#suspendedAt ??= this.#schedule.now;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const gap = this.#suspendedFor;
    this.#suspendedAt = undefined;
    this.#offset -= gap;
    this.#wallOffset += gap;
    // Each callback is a separate event, so that its promises settle before the next callback runs.
    for (const run of this.#waiting.splice(0)) this.after(0, run);
  }

  /** Moves the monotonic clock forward by `span` milliseconds. The wall clock stays correct. */
  jump(span: number): void {
    this.#offset += span;
    this.#wallOffset -= span;
  }

  stepWall(span: number): void {
    this.#wallOffset += span;
  }

  // ---- calls into the process

  /**
   * Runs a function in the process. Runs it immediately, when a paused process resumes, or never if
   * the process dies.
   */
  enter(run: () => void): void {
    if (this.#dead) return;
    if (this.#paused) this.#waiting.push(run);
    else run();
  }

  /** Runs a function in the process after a delay in milliseconds of simulated time. */
  after(delay: number, run: () => void): void {
    this.#schedule.after(delay, () => this.enter(run));
  }

  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => this.after(delay, resolve));
  }

  // ---- Clock

  now(): number {
    return this.#offset + (this.#suspendedAt ?? this.#schedule.now) * this.#pace.rate;
  }

  wall(): number {
    return this.now() + this.#wallOffset + this.#suspendedFor;
  }

  /** The time for which the machine has been suspended, on its own clock; 0 while it runs. */
  get #suspendedFor(): number {
    return (this.#schedule.now - (this.#suspendedAt ?? this.#schedule.now)) * this.#pace.rate;
  }

  defer(callback: () => void): void {
    this.after(this.#pace.loop?.() ?? 0, callback);
  }

  /**
   * Runs a callback in a microtask. In a slow process, runs it later, so that several events
   * arrive before the next turn of the protocol.
   */
  soon(callback: () => void): void {
    if (this.#pace.loop === undefined) queueMicrotask(callback);
    else this.defer(callback);
  }

  timer(fire: () => void): Timer {
    let due = Infinity;
    /**
     * The simulated time of the next check. If the timer is postponed, the check that is already
     * scheduled still runs and then schedules another.
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
      // Add a microsecond, so that rounding never results in a time just before `due`.
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
