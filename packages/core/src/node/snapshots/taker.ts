import { KontikiError, machineFailed } from '../../errors.js';
import type { RaftLog } from '../../log/raft-log.js';
import type { SnapshotMeta } from '../../log/snapshot-meta.js';
import type { Clock } from '../../ports/clock.js';
import type { SnapshotInfo, SnapshotStore } from '../../ports/snapshot-store.js';
import type { StateMachine } from '../../ports/state-machine.js';
import { encodeSnapshot, type SnapshotCompression } from '../../wire/index.js';
import type { Applier } from '../apply/applier.js';
import type { NodeIdentity } from '../identity.js';
import { timeSlices } from '../time-slice.js';

export interface TakerOptions {
  readonly identity: NodeIdentity;
  readonly log: RaftLog;
  readonly store: SnapshotStore;
  readonly machine: StateMachine;
  readonly compression: SnapshotCompression | undefined;
  readonly applier: Pick<Applier<unknown>, 'runBetweenBatches' | 'time'>;
  readonly clock: Clock;
  readonly random: () => number;
  /** Maximum time to wait for the end of the current batch, in milliseconds. */
  readonly timeout: number;
}

/** A read of the state machine's state between two batches. */
interface Reading {
  readonly meta: SnapshotMeta;
  readonly state: AsyncIterable<Uint8Array>;
  /** Ends the read, even if part of the state has not been read. */
  readonly end: () => Promise<void>;
}

/**
 * Takes snapshots, one at a time. A snapshot contains the state between two batches, even if later
 * batches are applied while it is being written.
 */
export class SnapshotTaker {
  readonly #options: TakerOptions;
  #stopped = false;

  constructor(options: TakerOptions) {
    this.#options = options;
  }

  /** Abandons the snapshot that is being written, and prevents further snapshots. */
  stop(): void {
    this.#stopped = true;
  }

  /** Takes a snapshot. Resolves when the snapshot is durable. */
  async take(): Promise<SnapshotInfo> {
    const { store, clock, compression } = this.#options;
    if (this.#stopped) throw closed();
    const { meta, state, end } = await this.#begin();
    try {
      const writer = await store.create(meta);
      try {
        const pause = timeSlices(clock);
        for await (const bytes of encodeSnapshot(meta, state, { compression })) {
          if (this.#stopped) throw closed();
          await writer.write(bytes);
          await pause();
        }
        return await writer.finish();
      } catch (error) {
        await writer.abort().catch(() => {
          // Ignore this error, because the first error is more useful.
        });
        throw error;
      }
    } finally {
      await end();
    }
  }

  /**
   * Waits until the current batch has been applied, and starts to read the state before the next
   * batch.
   */
  #begin(): Promise<Reading> {
    const { applier, machine, clock, timeout } = this.#options;
    return new Promise((resolve, reject) => {
      let expired = false;
      const timer = clock.timer(() => {
        expired = true;
        reject(busyMachine(timeout));
      });
      timer.set(clock.now() + timeout);
      const start = async (): Promise<void> => {
        timer.close();
        if (expired) return;
        let onEnd = (): void => {};
        const ended = new Promise<void>((settle) => (onEnd = settle));
        try {
          const meta = this.#meta();
          const state = machine.snapshot?.();
          if (state === undefined) throw new TypeError('it has no snapshot method');
          const chunks = state[Symbol.asyncIterator]();
          // A generator runs no code until its first value is requested, so request the first value
          // before the next batch.
          const first = await chunks.next();
          const end = (): Promise<void> => returnIterator(chunks).finally(onEnd);
          resolve({ meta, state: guarded(first, chunks, meta.last.index), end });
        } catch (error) {
          return reject(machineFailed('started a snapshot', error));
        }
        if (machine.blocksApply === true) await ended;
      };
      applier.runBetweenBatches(start, (error) => {
        timer.close();
        reject(error);
      });
    });
  }

  #meta(): SnapshotMeta {
    const { applier, identity, log, machine, random } = this.#options;
    const { cluster, genesis } = identity;
    const index = log.applied;
    const membership = log.membershipAt(index);
    const term = log.termAt(index);
    if (membership === undefined || term === undefined || genesis === undefined)
      throw new KontikiError('KONTIKI_LOST_DATA', 'A blank server has no state to take a snapshot of.');
    const id = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
    // In a log without log times, the snapshot has none either, so that all members can read it.
    const time = applier.time || undefined;
    return { id, cluster, last: { index, term }, time, membership, genesis, version: machine.version ?? 0 };
  }
}

function busyMachine(timeout: number): KontikiError {
  return new KontikiError(
    'KONTIKI_TIMEOUT',
    `The state machine was applying entries for ${timeout} ms, so no snapshot was started. An apply that awaits a snapshot waits for itself.`,
  );
}

function closed(): KontikiError {
  return new KontikiError('KONTIKI_CLOSED', 'The node was closed before its snapshot was complete.');
}

/**
 * Yields the state machine's chunks. Converts errors from the machine, so that they can be
 * distinguished from store errors.
 */
async function* guarded(
  first: IteratorResult<Uint8Array, unknown>,
  rest: AsyncIterator<Uint8Array, unknown>,
  index: number,
): AsyncIterable<Uint8Array> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
  } catch (error) {
    throw machineFailed(`wrote a snapshot of entry ${index}`, error);
  }
}

/**
 * Ends the iterator even if the state has not been read completely, so that the state machine
 * releases the resources of this read.
 */
async function returnIterator(chunks: AsyncIterator<Uint8Array, unknown>): Promise<void> {
  await chunks.return?.();
}
