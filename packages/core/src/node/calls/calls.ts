import type { Clock, Timer } from '../../ports/clock.js';
import { KontikiError } from '../../errors.js';

/** Options that limit how long a call may wait. */
export interface CallOptions {
  /** A signal that aborts the call. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the call times out. Default: the node's `timeout`. */
  readonly timeout?: number | undefined;
}

/** The part of a call that its deadline needs. */
interface Waiting {
  abandon(error: KontikiError): void;
}

/** A waiting call: a promise that settles once and has a deadline. */
export class Call<T> {
  readonly promise: Promise<T>;
  /** Called when the call times out or is aborted, instead of `reject`. */
  onGiveUp: ((error: KontikiError) => void) | undefined;
  #resolve!: (value: T) => void;
  #reject!: (error: Error) => void;
  /** All calls with the same deadline, including this call. */
  readonly #due: Set<Waiting>;
  #unlisten: (() => void) | undefined;

  constructor(due: Set<Waiting>, signal: AbortSignal | undefined) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#due = due;
    due.add(this);
    if (signal === undefined) return;
    const abort = (): void => {
      this.abandon(new KontikiError('KONTIKI_ABORTED', 'The caller aborted the call.', { cause: signal.reason }));
    };
    signal.addEventListener('abort', abort);
    this.#unlisten = (): void => signal.removeEventListener('abort', abort);
  }

  resolve(value: T): void {
    this.#release();
    this.#resolve(value);
  }

  reject(error: Error): void {
    this.#release();
    this.#reject(error);
  }

  /** Ends the call because it timed out or its caller aborted it. */
  abandon(error: KontikiError): void {
    if (this.onGiveUp === undefined) this.reject(error);
    else this.onGiveUp(error);
  }

  #release(): void {
    this.#due.delete(this);
    this.#unlisten?.();
  }
}

/**
 * Resolution of deadlines in milliseconds. Deadlines are rounded up to a multiple, so that
 * thousands of calls share one timer.
 */
const TICK = 16;

/** Manages the deadlines and abort signals of a node's waiting calls. */
export class Calls {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #byTick = new Map<number, Set<Waiting>>();
  #earliest = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#timer = clock.timer(() => this.#expire());
  }

  open<T>(timeout: number, signal: AbortSignal | undefined): Call<T> {
    const tick = Math.ceil((this.#clock.now() + timeout) / TICK);
    let due = this.#byTick.get(tick);
    if (due === undefined) {
      due = new Set();
      this.#byTick.set(tick, due);
      if (tick < this.#earliest) this.#wake(tick);
    }
    return new Call<T>(due, signal);
  }

  close(): void {
    this.#timer.close();
  }

  #wake(tick: number): void {
    this.#earliest = tick;
    this.#timer.set(tick * TICK);
  }

  #expire(): void {
    const now = this.#clock.now() / TICK;
    for (const [tick, due] of this.#byTick) {
      // Also drop a tick if all its calls have ended.
      if (tick <= now || due.size === 0) this.#byTick.delete(tick);
      if (tick > now) continue;
      // Abandoning a call removes it from this set. A Set may be changed during iteration.
      for (const call of due) {
        call.abandon(new KontikiError('KONTIKI_TIMEOUT', 'The call did not finish before its deadline.'));
      }
    }
    this.#wake(Math.min(Infinity, ...this.#byTick.keys()));
  }
}
