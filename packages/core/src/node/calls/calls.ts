import type { Clock, Timer } from '../../ports/clock.js';
import { KontikiError } from '../../errors.js';
import { SLICE_MS } from '../time-slice.js';
import { type Settlement, Settlements } from './settlements.js';

/** Options that limit how long a call may wait. */
export interface CallOptions {
  /** A signal that aborts the call. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the call times out. */
  readonly timeout?: number | undefined;
}

/** A waiting call, reduced to the method that runs at its deadline. */
interface Waiting {
  abandon(error: KontikiError): void;
}

/** Returns the error for a call whose signal was aborted. */
export function abortedError(signal: AbortSignal): KontikiError {
  return new KontikiError('KONTIKI_ABORTED', 'The caller aborted the call.', { cause: signal.reason });
}

/** Throws `KONTIKI_ABORTED` if a signal was aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortedError(signal);
}

/** A waiting call, which consists of a deadline and a promise that settles once. */
export class Call<T> implements Settlement {
  readonly promise: Promise<T>;
  /** A callback for a call that times out or is aborted. If set, it runs instead of `reject`. */
  onGiveUp: ((error: KontikiError) => void) | undefined;
  #resolve!: (value: T) => void;
  #reject!: (error: unknown) => void;
  readonly #settlements: Settlements;
  /** The calls that share this call's deadline. */
  readonly #due: Due;
  #unlisten: (() => void) | undefined;
  #value: T | undefined;
  /** Returns the error for a rejected call. This field is undefined if the call is resolved. */
  #createError: (() => unknown) | undefined;

  constructor(settlements: Settlements, due: Due, signal: AbortSignal | undefined) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#settlements = settlements;
    this.#due = due;
    due.calls.add(this);
    if (signal === undefined) return;
    const abort = (): void => this.abandon(abortedError(signal));
    signal.addEventListener('abort', abort);
    this.#unlisten = (): void => signal.removeEventListener('abort', abort);
  }

  resolve(value: T): void {
    if (!this.#end()) return;
    this.#value = value;
    this.#settlements.add(this);
  }

  reject(error: unknown): void {
    this.rejectWith(() => error);
  }

  /**
   * Rejects with the error that `create` returns. Creating an error is slow, so the errors of
   * thousands of calls are created in several time slices.
   */
  rejectWith(create: () => unknown): void {
    if (!this.#end()) return;
    this.#createError = create;
    this.#settlements.add(this);
  }

  /** Ends the call because it timed out or its caller aborted it. */
  abandon(error: KontikiError): void {
    if (this.onGiveUp === undefined) this.reject(error);
    else this.onGiveUp(error);
  }

  settle(): void {
    if (this.#createError === undefined) this.#resolve(this.#value as T);
    else this.#reject(this.#createError());
  }

  /**
   * Removes the call's deadline and its abort listener. Returns false if the call has already
   * ended.
   */
  #end(): boolean {
    this.#unlisten?.();
    return this.#due.remove(this);
  }
}

/** The calls whose deadlines are in the same tick. */
class Due {
  readonly calls: Set<Waiting> = new Set();
  readonly #onEmpty: () => void;

  constructor(onEmpty: () => void) {
    this.#onEmpty = onEmpty;
  }

  /** Removes a call from its tick. Returns false if the call was already removed. */
  remove(call: Waiting): boolean {
    if (!this.calls.delete(call)) return false;
    if (this.calls.size === 0) this.#onEmpty();
    return true;
  }
}

/**
 * Resolution of deadlines in milliseconds. Deadlines are rounded up to a multiple of this value, so
 * that thousands of calls share one timer.
 */
const TICK = 16;
/** Manages the deadlines and abort signals of a node's waiting calls. */
export class Calls {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #settlements: Settlements;
  /** Returns sentences for a timeout error that describe why the call may have timed out. */
  readonly #explain: () => string;
  readonly #byTick = new Map<number, Due>();
  #earliest = Infinity;
  #stopped = false;

  constructor(clock: Clock, explain: () => string = () => '') {
    this.#clock = clock;
    this.#explain = explain;
    this.#timer = clock.timer(() => this.#expire());
    this.#settlements = new Settlements(clock);
  }

  open<T>(timeout: number, signal: AbortSignal | undefined): Call<T> {
    const tick = Math.ceil((this.#clock.now() + timeout) / TICK);
    const call = new Call<T>(this.#settlements, this.#dueAt(tick), signal);
    if (tick < this.#earliest) this.#wake(tick);
    return call;
  }

  #dueAt(tick: number): Due {
    let due = this.#byTick.get(tick);
    if (due === undefined) {
      due = new Due(() => this.#byTick.delete(tick));
      this.#byTick.set(tick, due);
    }
    return due;
  }

  /**
   * Clears all deadlines. After that, calls settle immediately instead of in a later turn of the
   * event loop.
   */
  stop(): void {
    this.#stopped = true;
    this.#timer.close();
    this.#settlements.flush();
  }

  /** Rejects all waiting calls with the given error. */
  close(error: KontikiError): void {
    this.stop();
    for (const { calls } of this.#byTick.values()) for (const call of calls) call.abandon(error);
  }

  #wake(tick: number): void {
    if (this.#stopped) return;
    this.#earliest = tick;
    this.#timer.set(tick * TICK);
  }

  #expire(): void {
    if (this.#stopped) return;
    const now = this.#clock.now();
    let earliest = Infinity;
    let text: string | undefined;
    for (const [tick, due] of this.#byTick) {
      if (tick > now / TICK) {
        earliest = Math.min(earliest, tick);
        continue;
      }
      // Abandoning a call removes it from this set, which is safe because JavaScript allows a Set
      // to change during iteration.
      for (const call of due.calls) {
        text ??= `The call did not finish before its deadline. ${this.#explain()}`.trim();
        call.abandon(new KontikiError('KONTIKI_TIMEOUT', text));
        if (this.#clock.now() >= now + SLICE_MS) return this.#clock.defer(() => this.#expire());
      }
    }
    this.#wake(earliest);
  }
}
