import { drawRate } from '../drift.js';
import type { ServerContext } from './context.js';

/**
 * One server's clock and timer. The clock starts at a random time, and it may run too fast or too
 * slowly. Callbacks of an earlier process never run.
 */
export class ServerTimers {
  readonly #world: ServerContext;
  readonly #onTimer: () => void;
  /** Number of starts and crashes, used to ignore callbacks of an earlier process. */
  #life = 0;
  #rate = 1;
  #offset = 0;
  /** The wall clock minus the monotonic clock at the time when the latter last ran. */
  #wallOffset = 0;
  /** The simulated time at which the monotonic clock stopped. Undefined while it runs. */
  #stoppedAt: number | undefined;
  /** The simulated time at which the timer fires. The server's own clock may differ from it. */
  #timerAt = Infinity;

  constructor(world: ServerContext, onTimer: () => void) {
    this.#world = world;
    this.#onTimer = onTimer;
  }

  /** Starts the clock of a new process. */
  start(): void {
    const { random, mix } = this.#world;
    this.#life += 1;
    this.#rate = drawRate(mix, random);
    this.#offset = random.between(0, 1e6);
    this.#stoppedAt = undefined;
    this.#timerAt = Infinity;
  }

  stop(): void {
    this.#life += 1;
  }

  /** The time on the server's own monotonic clock. */
  get now(): number {
    return this.#offset + (this.#stoppedAt ?? this.#world.schedule.now) * this.#rate;
  }

  /** The wall clock minus the monotonic clock. The wall clock also runs while the other is stopped. */
  get wallOffset(): number {
    return this.#wallOffset + this.#stoppedFor;
  }

  get #stoppedFor(): number {
    const { schedule } = this.#world;
    return (schedule.now - (this.#stoppedAt ?? schedule.now)) * this.#rate;
  }

  stopClock(): void {
    this.#stoppedAt ??= this.#world.schedule.now;
  }

  resumeClock(): void {
    const gap = this.#stoppedFor;
    this.#stoppedAt = undefined;
    this.#offset -= gap;
    this.#wallOffset += gap;
  }

  /** Moves the monotonic clock forward. The wall clock stays correct. */
  jump(span: number): void {
    this.#offset += span;
    this.#wallOffset -= span;
  }

  stepWall(span: number): void {
    this.#wallOffset += span;
  }

  /** Runs a function after a delay, unless the process crashes first. */
  later(delay: number, run: () => void): void {
    const life = this.#life;
    this.#world.schedule.after(delay, () => {
      if (life === this.#life) run();
    });
  }

  /**
   * Sets the timer. If it is already set for an earlier time, it still fires at the earlier time.
   */
  set(wakeAt: number): void {
    const { schedule, mix, random, healed } = this.#world;
    // Add a microsecond, so that rounding never results in a time just before `wakeAt`.
    const delay = Math.max(0, (wakeAt - this.now) / this.#rate) + 0.001;
    if (schedule.now + delay >= this.#timerAt) return;
    const at = schedule.now + delay;
    this.#timerAt = at;
    const late = !healed && random.chance(mix.strength.lateTimers * 0.1) ? random.between(0, 1_000) : 0;
    this.later(delay + late, () => {
      if (this.#timerAt !== at) return;
      this.#timerAt = Infinity;
      this.#onTimer();
    });
  }
}
