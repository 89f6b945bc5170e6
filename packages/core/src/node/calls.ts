import type { Clock, Timer } from '../ports/clock.js';
import { KontikiError } from '../errors.js';

/** Bounds how long a call may wait. */
export interface CallOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the call is given up. Default: the node's `timeout`. */
  readonly timeout?: number | undefined;
}

/** What a deadline needs of a call. */
interface Waiting {
  abandon(error: KontikiError): void;
}

/** A caller's promise. Settles once; there is always a deadline. */
export class Call<T> {
  readonly promise: Promise<T>;
  /** Called when the caller gives up, in place of `reject`; set by whoever holds the call. */
  giveUp: ((error: KontikiError) => void) | undefined;
  #resolve!: (value: T) => void;
  #reject!: (error: Error) => void;
  /** The calls with the same deadline, this one among them. */
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
      this.abandon(new KontikiError('KONTIKI_ABORTED', 'The caller gave the call up.', { cause: signal.reason }));
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

  /** The caller waits no longer. */
  abandon(error: KontikiError): void {
    if (this.giveUp === undefined) this.reject(error);
    else this.giveUp(error);
  }

  #release(): void {
    this.#due.delete(this);
    this.#unlisten?.();
  }
}

/** Deadlines are kept by the tick of this many milliseconds, so that thousands of calls share one timer. */
const TICK = 16;

/** The calls that wait at a node: their deadlines and abort signals. */
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
      // Whose calls have all ended is of no use either.
      if (tick <= now || due.size === 0) this.#byTick.delete(tick);
      if (tick > now) continue;
      // Giving a call up takes it out of its set, which a Set allows while it is walked.
      for (const call of due) {
        call.abandon(new KontikiError('KONTIKI_TIMEOUT', 'The call did not come to an end before its deadline.'));
      }
    }
    this.#wake(Math.min(Infinity, ...this.#byTick.keys()));
  }
}
