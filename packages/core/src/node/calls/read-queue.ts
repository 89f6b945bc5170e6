import { KontikiError } from '../../errors.js';
import type { ReadsReady } from '../../protocol/output.js';
import type { Call } from './calls.js';

/** Reads that may wait at the same time. More would only fill memory. */
const MAX_WAITING = 65_536;

/** A read and its caller. */
interface WaitingRead {
  readonly ticket: number;
  readonly serve: () => void;
  readonly fail: (error: Error) => void;
}

/** Runs a read and settles its call with the result. */
export function serveRead<T>(call: Call<T>, read: () => T): void {
  try {
    call.resolve(read());
  } catch (error) {
    call.reject(error as Error);
  }
}

/**
 * Reads that wait: first for a quorum to confirm a read index, then for the state machine to reach
 * that index.
 */
export class ReadQueue {
  /** Ascending by ticket. */
  readonly #asked = new Map<number, WaitingRead>();
  /**
   * Confirmed reads by the index that must be applied first. Indices ascend, because later reads
   * are confirmed at later indices.
   */
  readonly #confirmed = new Map<number, Set<WaitingRead>>();

  readonly #all = new Set<WaitingRead>();

  /** Returns the error for one more read if too many wait already; undefined otherwise. */
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

  /** Runs the confirmed reads whose index is applied. */
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
        // A read that ran just before may have aborted this one.
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
