import type { Clock, Timer } from '../ports/clock.js';
import { KontikiError } from '../errors.js';

/** Bounds how long a call may wait. */
export interface CallOptions {
  /** Gives the call up. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds after which the call is given up. Default: the node's `timeout`. */
  readonly timeout?: number | undefined;
}

/** A caller's promise. Settles once; there is always a deadline. */
export class Call<T> {
  readonly promise: Promise<T>;
  /** Called when the caller gives up; set by whoever holds the call. Rejects it. */
  giveUp: (error: KontikiError) => void;
  /** Undoes the deadline and the abort listener. */
  release: () => void = () => {};
  #resolve!: (value: T) => void;
  #reject!: (error: Error) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.giveUp = (error) => this.reject(error);
  }

  resolve(value: T): void {
    this.release();
    this.#resolve(value);
  }

  reject(error: Error): void {
    this.release();
    this.#reject(error);
  }
}

/** What a deadline needs of a call. */
type Pending = Pick<Call<unknown>, 'giveUp'>;

/** Deadlines are kept by the tick of this many milliseconds, so that thousands of calls share one timer. */
const TICK = 16;

/** The calls that wait at a node: their deadlines and abort signals. */
export class Calls {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #byTick = new Map<number, Set<Pending>>();
  #earliest = Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#timer = clock.timer(() => this.#expire());
  }

  open<T>(timeout: number, signal: AbortSignal | undefined): Call<T> {
    const call = new Call<T>();
    const tick = Math.ceil((this.#clock.now() + timeout) / TICK);
    const due = this.#byTick.get(tick) ?? new Set<Pending>();
    this.#byTick.set(tick, due.add(call));
    if (tick < this.#earliest) this.#wake(tick);
    const abort = (): void => {
      call.giveUp(new KontikiError('KONTIKI_ABORTED', 'The caller gave the call up.', { cause: signal?.reason }));
    };
    signal?.addEventListener('abort', abort);
    call.release = (): void => {
      due.delete(call);
      if (due.size === 0) this.#byTick.delete(tick);
      signal?.removeEventListener('abort', abort);
    };
    return call;
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
    // Giving a call up takes it out of its set, which a Map and a Set allow while they are walked.
    for (const [tick, due] of this.#byTick) {
      if (tick > now) continue;
      for (const call of due) {
        call.giveUp(new KontikiError('KONTIKI_TIMEOUT', 'The call did not come to an end before its deadline.'));
      }
    }
    this.#wake(Math.min(Infinity, ...this.#byTick.keys()));
  }
}
