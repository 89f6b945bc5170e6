import type { KontikiError } from '../../errors.js';
import type { AppliedPosition } from '../../log/entry.js';
import type { Clock } from '../../ports/clock.js';
import type { Raft } from '../../protocol/raft.js';
import { wallOffset } from '../wall-offset.js';
import type { Call } from './calls.js';
import { runRead, type Read, type ReadOptions, type ReadQueue } from './read-queue.js';

interface ReadParts {
  readonly raft: Raft;
  readonly clock: Clock;
  readonly queue: ReadQueue;
  /** Returns the applied position, or undefined while a batch is in progress. */
  readonly applied: () => AppliedPosition | undefined;
  /** Schedules a turn of the protocol. */
  readonly schedule: () => void;
}

/**
 * Starts the reads of a node. A read runs at once if its consistency and the state machine allow it.
 * Any other read waits in the queue.
 */
export class ReadStarter {
  readonly #parts: ReadParts;

  constructor(parts: ReadParts) {
    this.#parts = parts;
  }

  /** Starts a read, or returns the reason why it is refused. `open` creates its call. */
  start<T>(open: () => Call<T>, read: Read<T>, options: ReadOptions): Call<T> | KontikiError {
    const { queue } = this.#parts;
    const { consistency, minIndex = 0 } = options;
    const index = this.#indexFor(options);
    const state = this.#parts.applied();
    const runsNow = index !== undefined && state !== undefined && state.index >= index;
    const refused = runsNow ? undefined : queue.refuse();
    if (refused !== undefined) return refused;
    const call = open();
    const serve = (at: AppliedPosition): void => {
      const settle = runRead(call, read, at);
      // The process may have been suspended before or during the read.
      if (consistency === 'local' || this.#holdsLease()) settle();
      else this.#ask(call, read, minIndex);
    };
    if (runsNow) serve(state);
    else if (index !== undefined) queue.addConfirmed(call, serve, index);
    else this.#ask(call, read, minIndex);
    return call;
  }

  /**
   * Returns the index up to which entries must be applied before a read runs; undefined if a quorum
   * must confirm the read first.
   */
  #indexFor({ consistency, minIndex = 0 }: ReadOptions): number | undefined {
    if (consistency === 'local') return minIndex;
    if (consistency !== 'lease' || !this.#holdsLease()) return undefined;
    return Math.max(minIndex, this.#parts.raft.log.committed);
  }

  #ask<T>(call: Call<T>, read: Read<T>, minIndex: number): void {
    const { queue, raft, schedule } = this.#parts;
    queue.add(raft.read(), call, read, minIndex);
    schedule();
  }

  #holdsLease(): boolean {
    const { raft, clock } = this.#parts;
    const now = clock.now();
    return raft.holdsLease(now, wallOffset(clock, now));
  }
}
