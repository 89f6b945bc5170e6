import { KontikiError } from '../../errors.js';
import type { ReadsReady } from '../../protocol/output.js';
import { badOption } from '../options.js';
import { describe } from '../describe.js';
import { isThenable } from '../thenable.js';
import type { Call } from './calls.js';

/** Maximum number of waiting reads, to bound memory. */
const MAX_WAITING = 65_536;

/** A read and its caller. */
interface WaitingRead {
  readonly ticket: number;
  readonly serve: () => void;
  readonly fail: (error: Error) => void;
}

/** Returns the reason to refuse a read with these arguments; undefined if there is none. */
export function refuseRead(read: unknown, { consistency }: { consistency?: unknown }): KontikiError | undefined {
  if (typeof read !== 'function') return badOption(`A read takes a function, not ${describe(read)}.`);
  if (consistency === undefined || consistency === 'linearizable' || consistency === 'local') return undefined;
  return badOption(`consistency must be 'linearizable' or 'local', not ${describe(consistency)}.`);
}

/** Runs a read and settles its call with the result. */
export function serveRead<T>(call: Call<T>, read: () => T): void {
  try {
    const value = read();
    if (isThenable(value)) {
      // The state changes while the caller's function waits, and nobody handles its rejection.
      value.then(undefined, () => {});
      call.reject(badOption('The function of a read must not be asynchronous: read the state, return, then await.'));
    } else call.resolve(value);
  } catch (error) {
    call.reject(error as Error);
  }
}

/**
 * Waiting reads. A read first waits for a quorum to confirm its read index, then for the state
 * machine to reach that index.
 */
export class ReadQueue {
  /** Unconfirmed reads by ticket, in ascending order. */
  readonly #asked = new Map<number, WaitingRead>();
  /** Confirmed reads by the index that must be applied first. */
  readonly #confirmed = new Map<number, Set<WaitingRead>>();

  readonly #all = new Set<WaitingRead>();

  /** Returns an error if too many reads are waiting; undefined otherwise. */
  refuse(): KontikiError | undefined {
    if (this.#all.size < MAX_WAITING) return undefined;
    return new KontikiError('KONTIKI_OVERLOADED', `${MAX_WAITING} reads are waiting already. Try again later.`);
  }

  add<T>(ticket: number, call: Call<T>, read: () => T): void {
    this.#asked.set(ticket, this.#waiting(call, read, ticket));
  }

  /** Adds a local read, which runs as soon as no batch is being applied. */
  addLocal<T>(call: Call<T>, read: () => T): void {
    this.#confirmed.set(0, (this.#confirmed.get(0) ?? new Set()).add(this.#waiting(call, read)));
  }

  /** Notes that a quorum confirmed every read up to `ticket`. */
  confirm({ ticket, index }: ReadsReady): void {
    const reads = this.#confirmed.get(index) ?? new Set();
    for (const waiting of this.#asked.values()) {
      if (waiting.ticket > ticket) break;
      this.#asked.delete(waiting.ticket);
      reads.add(waiting);
    }
    this.#confirmed.set(index, reads);
  }

  /** Runs the confirmed reads with an index up to `applied`. */
  serve(applied: number): void {
    for (const [index, reads] of this.#confirmed) {
      if (index > applied) continue;
      this.#confirmed.delete(index);
      for (const { serve } of reads) serve();
    }
  }

  #waiting<T>(call: Call<T>, read: () => T, ticket = 0): WaitingRead {
    const waiting: WaitingRead = {
      ticket,
      serve: () => {
        // An earlier read in this loop may have aborted this read.
        if (this.#all.delete(waiting)) serveRead(call, read);
      },
      fail: (error) => call.reject(error),
    };
    call.onGiveUp = (why): void => {
      this.#all.delete(waiting);
      this.#asked.delete(ticket);
      for (const reads of this.#confirmed.values()) reads.delete(waiting);
      call.reject(why);
    };
    this.#all.add(waiting);
    return waiting;
  }

  abandon(error: Error): void {
    for (const { fail } of this.#all) fail(error);
    this.#asked.clear();
    this.#confirmed.clear();
    this.#all.clear();
  }
}
