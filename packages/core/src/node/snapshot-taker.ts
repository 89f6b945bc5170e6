import { KontikiError } from '../errors.js';
import type { RaftLog } from '../log/raft-log.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';
import type { Clock } from '../ports/clock.js';
import type { SnapshotInfo, SnapshotStore } from '../ports/snapshot-store.js';
import type { StateMachine } from '../ports/state-machine.js';
import { encodeSnapshot, type SnapshotCompression } from '../wire/index.js';
import type { Applier } from './applier.js';
import { machineFailed } from './machine-failed.js';

/** Milliseconds after which taking a snapshot gives way to messages and timers. */
const SLICE_MS = 5;

export interface TakerOptions {
  readonly cluster: string;
  readonly log: RaftLog;
  readonly store: SnapshotStore;
  readonly machine: StateMachine;
  readonly compression: SnapshotCompression | undefined;
  readonly applier: Pick<Applier<unknown>, 'runBetweenBatches'>;
  readonly clock: Clock;
  readonly random: () => number;
  /** The checksum of the cluster's first entry. */
  readonly genesis: () => number | undefined;
}

/** The state between two applies, as it is being read. */
interface Reading {
  readonly meta: SnapshotMeta;
  readonly state: AsyncIterable<Uint8Array>;
  /** Called when no more of it will be read, be it that nothing was. */
  readonly end: () => Promise<void>;
}

/** Takes snapshots, one at a time: the state is that between two applies, whatever is applied while it is written. */
export class SnapshotTaker {
  readonly #options: TakerOptions;
  #stopped = false;

  constructor(options: TakerOptions) {
    this.#options = options;
  }

  /** Gives up a snapshot that is being written, and takes no other. */
  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when the snapshot is durable. */
  async take(): Promise<SnapshotInfo> {
    const { store, clock, compression } = this.#options;
    if (this.#stopped) throw closed();
    const { meta, state, end } = await this.#begin();
    try {
      const writer = await store.create(meta);
      try {
        let until = clock.now() + SLICE_MS;
        for await (const bytes of encodeSnapshot(meta, state, { compression })) {
          if (this.#stopped) throw closed();
          await writer.write(bytes);
          if (clock.now() < until) continue;
          await new Promise<void>((resolve) => clock.defer(resolve));
          until = clock.now() + SLICE_MS;
        }
        return await writer.finish();
      } catch (error) {
        await writer.abort().catch(() => {
          // Why it was abandoned says more.
        });
        throw error;
      }
    } finally {
      await end();
    }
  }

  /** Waits for the end of what is being applied, and looks at the state before anything else is. */
  #begin(): Promise<Reading> {
    const { applier, machine } = this.#options;
    return new Promise((resolve, reject) => {
      applier.runBetweenBatches(async () => {
        let ended = (): void => {};
        const over = new Promise<void>((settle) => (ended = settle));
        try {
          const meta = this.#meta();
          const state = machine.snapshot?.();
          if (state === undefined) throw new TypeError('it gives no snapshots');
          const chunks = state[Symbol.asyncIterator]();
          // A generator runs nothing until it is pulled: what it looks at first, it must look at now.
          const first = await chunks.next();
          const end = (): Promise<void> => letGo(chunks).finally(ended);
          resolve({ meta, state: guarded(first, chunks, meta.last.index), end });
        } catch (error) {
          return reject(machineFailed('was to give its state', error));
        }
        if (machine.blocksApply === true) await over;
      }, reject);
    });
  }

  #meta(): SnapshotMeta {
    const { cluster, log, machine, random, genesis } = this.#options;
    const index = log.applied;
    const membership = log.membershipAt(index);
    const term = log.termAt(index);
    const first = genesis();
    if (membership === undefined || term === undefined || first === undefined)
      throw new KontikiError('KONTIKI_LOST_DATA', 'A server that holds nothing has no state to take a snapshot of.');
    const id = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16)).join('');
    return { id, cluster, last: { index, term }, membership, genesis: first, version: machine.version ?? 0 };
  }
}

function closed(): KontikiError {
  return new KontikiError('KONTIKI_CLOSED', 'The node was closed before its snapshot was whole.');
}

/** The machine's chunks; what it throws is told from what the store does. */
async function* guarded(
  first: IteratorResult<Uint8Array, unknown>,
  rest: AsyncIterator<Uint8Array, unknown>,
  index: number,
): AsyncIterable<Uint8Array> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
  } catch (error) {
    throw machineFailed(`gave its state as of entry ${index}`, error);
  }
}

/** What the machine holds for its reader goes, whether the reader has come to the end or not. */
async function letGo(chunks: AsyncIterator<Uint8Array, unknown>): Promise<void> {
  await chunks.return?.();
}
