import { KontikiError } from '../../errors.js';
import type { AppliedPosition } from '../../log/entry.js';
import type { Clock } from '../../ports/clock.js';
import type { ReadsReady } from '../../protocol/output.js';
import { badOption, type Names } from '../options.js';
import { describe } from '../describe.js';
import { isThenable } from '../thenable.js';
import { SLICE_MS } from '../time-slice.js';
import type { Call, CallOptions } from './calls.js';
import { callOptions } from './limited.js';

/** Maximum number of waiting reads. This bounds the memory that they use. */
const MAX_WAITING = 65_536;

/** A waiting read, with the callbacks that settle its call. */
interface WaitingRead {
  readonly ticket: number;
  /**
   * The index up to which entries must be applied before the read runs; undefined until a quorum
   * has confirmed the read.
   */
  index: number | undefined;
  isWaiting: boolean;
  readonly minIndex: number;
  readonly serve: (at: AppliedPosition) => void;
  readonly fail: (error: Error) => void;
}

export interface ReadOptions extends CallOptions {
  /**
   * The consistency of the read.
   * - `linearizable` (default): a quorum confirms the read, so the read sees every command that was
   *   acknowledged on any server before the read started.
   * - `lease`: a linearizable read that a leader serves without a quorum while it holds a lease. It
   *   relies on clocks that drift by at most 10 %. On other servers, and without a lease, it is like
   *   `linearizable`.
   * - `local`: the read sees this server's state, which may be out of date.
   */
  readonly consistency?: 'linearizable' | 'lease' | 'local' | undefined;
  /**
   * The index up to which this server must have applied entries before the read runs. Default 0.
   * Pass the index of an earlier write or read to make sure that a read on another server does not
   * return older data.
   */
  readonly minIndex?: number | undefined;
}

export const readOptions: Names<ReadOptions> = { ...callOptions, consistency: true, minIndex: true };

const CONSISTENCIES = ['linearizable', 'lease', 'local'] as const;

/** The function that a read runs. It receives the position and the log time of the last applied entry. */
export type Read<T> = (at: AppliedPosition) => T;

/** Returns an error if the arguments of a read are invalid; undefined otherwise. */
export function refuseRead(
  read: unknown,
  { consistency, minIndex = 0 }: { readonly consistency?: unknown; readonly minIndex?: unknown },
): KontikiError | undefined {
  if (typeof read !== 'function') return badOption(`A read takes a function, not ${describe(read)}.`);
  if (!Number.isSafeInteger(minIndex) || (minIndex as number) < 0)
    return badOption(`minIndex must be an integer of at least 0, not ${describe(minIndex)}.`);
  if (consistency === undefined || (CONSISTENCIES as readonly unknown[]).includes(consistency)) return undefined;
  return badOption(`consistency must be 'linearizable', 'lease' or 'local', not ${describe(consistency)}.`);
}

/** Runs a read's function, and returns a function that settles the call with the result. */
export function runRead<T>(call: Call<T>, read: Read<T>, at: AppliedPosition): () => void {
  try {
    const value = read(at);
    if (!isThenable(value)) return () => call.resolve(value);
    // Asynchronous functions are not allowed, because the state may change while they wait. This
    // handler prevents an unhandled rejection of the function's promise.
    value.then(undefined, () => {});
    const error = 'The function of a read must not be asynchronous: read the state, return, then await.';
    return () => call.reject(badOption(error));
  } catch (error) {
    return () => call.reject(error as Error);
  }
}

/**
 * The waiting reads of a node. A linearizable read first waits for a quorum to confirm its read
 * index. Then it waits until the state machine has applied the entries up to that index.
 */
export class ReadQueue {
  readonly #clock: Clock;
  /** Unconfirmed reads, in ascending order of their number (`ticket`). */
  readonly #asked = new Map<number, WaitingRead>();
  /** Confirmed reads, by the index up to which entries must be applied before they run. */
  readonly #confirmed = new Map<number, Set<WaitingRead>>();
  #size = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns an error if too many reads are waiting; undefined otherwise. */
  refuse(): KontikiError | undefined {
    if (this.#size < MAX_WAITING) return undefined;
    return new KontikiError('KONTIKI_OVERLOADED', `${MAX_WAITING} reads are waiting already. Try again later.`);
  }

  add<T>(ticket: number, call: Call<T>, read: Read<T>, minIndex = 0): void {
    const serve = (at: AppliedPosition): void => runRead(call, read, at)();
    this.#asked.set(ticket, this.#waiting(ticket, call, serve, minIndex));
  }

  /**
   * Adds a read that no quorum has to confirm. `serve` runs as soon as the entries up to `index` have
   * been applied and no batch is in progress.
   */
  addConfirmed<T>(call: Call<T>, serve: (at: AppliedPosition) => void, index: number): void {
    this.#addConfirmed(this.#waiting(0, call, serve, index), index);
  }

  /** Records that a quorum has confirmed all reads with a number up to `ticket`. */
  confirm({ ticket, index }: ReadsReady): void {
    for (const waiting of this.#asked.values()) {
      if (waiting.ticket > ticket) break;
      this.#asked.delete(waiting.ticket);
      this.#addConfirmed(waiting, Math.max(index, waiting.minIndex));
    }
  }

  /**
   * Runs the confirmed reads that need no entries after `at`, the position of the last applied
   * entry. Returns whether the time slice ended before all of these reads had run.
   */
  serve(at: AppliedPosition): boolean {
    const until = this.#clock.now() + SLICE_MS;
    for (const [index, reads] of this.#confirmed) {
      if (index > at.index) continue;
      for (const waiting of reads) {
        this.#remove(waiting);
        waiting.serve(at);
        if (this.#clock.now() >= until) return true;
      }
    }
    return false;
  }

  abandon(error: Error): void {
    for (const reads of [this.#asked.values(), ...this.#confirmed.values()]) {
      for (const { fail } of reads) fail(error);
    }
    this.#asked.clear();
    this.#confirmed.clear();
    this.#size = 0;
  }

  #waiting<T>(ticket: number, call: Call<T>, serve: WaitingRead['serve'], minIndex: number): WaitingRead {
    const waiting: WaitingRead = {
      ticket,
      index: undefined,
      isWaiting: true,
      minIndex,
      serve,
      fail: (error) => call.reject(error),
    };
    call.onGiveUp = (why): void => {
      this.#remove(waiting);
      call.reject(why);
    };
    this.#size += 1;
    return waiting;
  }

  #addConfirmed(waiting: WaitingRead, index: number): void {
    waiting.index = index;
    const reads = this.#confirmed.get(index);
    if (reads === undefined) this.#confirmed.set(index, new Set([waiting]));
    else reads.add(waiting);
  }

  /** Removes a read in constant time, because thousands of reads may time out together. */
  #remove(waiting: WaitingRead): void {
    // While it runs, a read's function may abort its own call.
    if (!waiting.isWaiting) return;
    waiting.isWaiting = false;
    this.#size -= 1;
    if (waiting.index === undefined) {
      this.#asked.delete(waiting.ticket);
      return;
    }
    const reads = this.#confirmed.get(waiting.index);
    reads?.delete(waiting);
    if (reads?.size === 0) this.#confirmed.delete(waiting.index);
  }
}
