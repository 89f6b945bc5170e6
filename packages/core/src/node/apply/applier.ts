import { isKontikiError, KontikiError, machineFailed } from '../../errors.js';
import { invariant } from '../../invariant.js';
import type { AppliedPosition, CommandEntry, Entry } from '../../log/entry.js';
import type { RaftLog } from '../../log/raft-log.js';
import type { Clock } from '../../ports/clock.js';
import type { LogStore } from '../../ports/log-store.js';
import type { StateMachine } from '../../ports/state-machine.js';
import { readEntries } from '../read-entries.js';
import { isThenable } from '../thenable.js';
import { SLICE_MS } from '../time-slice.js';
import { BytePool } from '../../wire/byte-pool.js';
import { BatchSize } from './batch-size.js';
import { faultOf } from './result-fault.js';

/** Maximum bytes of entries in one batch for the state machine. */
const BATCH_BYTES = 256 * 1024;

export interface ApplierOptions<Result> {
  readonly log: RaftLog;
  readonly store: Pick<LogStore, 'read'>;
  readonly machine: StateMachine<Result>;
  readonly clock: Clock;
  /** The log time of the last entry that the machine has applied. */
  readonly time: number;
  /**
   * Called after a batch up to position `through` has been applied. `results` contains one result per
   * command, in order. After a restore, there are no entries.
   */
  readonly onApplied: (entries: readonly Entry[], through: AppliedPosition, results: readonly Result[]) => void;
  /**
   * Restores the installed snapshot, whose last entry is the base of the log. Resolves with the log
   * time of that entry.
   */
  readonly restore: () => Promise<number>;
  readonly onFailure: (error: Error) => void;
}

/** A task to run between two batches, and a callback in case the task is cancelled. */
interface BetweenBatches {
  readonly run: () => Promise<void>;
  readonly onCancelled: (error: Error) => void;
}

/**
 * Applies committed entries to the state machine in order, one batch at a time. This work runs in
 * parallel with the protocol. Entries that are no longer in memory are read from the store. These
 * entries are committed and durable, so they cannot change during the read.
 */
export class Applier<Result> {
  readonly #options: ApplierOptions<Result>;
  /** Whether a batch, a restore or a task between batches is in progress. */
  #busy = false;
  #isChangingState = false;
  readonly #batchSize = new BatchSize();
  readonly #pool = new BytePool();
  /** Whether a time slice has ended and the next slice is scheduled. */
  #yielding = false;
  #closed = false;
  /** The log time of the last applied entry. */
  #time: number;
  /**
   * Whether a snapshot has replaced the log but the state machine has not restored the snapshot
   * yet.
   */
  #restoreDue = false;
  readonly #between: BetweenBatches[] = [];
  #onClosed: () => void = () => {};

  constructor(options: ApplierOptions<Result>) {
    this.#options = options;
    this.#time = options.time;
  }

  /** The log time of the last applied entry, in milliseconds. */
  get time(): number {
    return this.#time;
  }

  /**
   * Whether a batch is being applied or a snapshot is being restored, so that the state is
   * inconsistent. A task between batches only reads the state.
   */
  get isChangingState(): boolean {
    return this.#isChangingState;
  }

  /** Runs a task between two batches. The next batch waits until the task's promise settles. */
  runBetweenBatches(run: () => Promise<void>, onCancelled: (error: Error) => void): void {
    this.#between.push({ run, onCancelled });
    this.applyNext();
  }

  /**
   * Records that an installed snapshot has replaced the log. The snapshot is restored before any
   * further batch is applied.
   */
  requireRestore(): void {
    this.#restoreDue = true;
  }

  /** Starts the next step: a restore, a task between batches, or the next batches. */
  applyNext(): void {
    if (this.#busy || this.#yielding) return;
    const { log, clock, onFailure } = this.#options;
    const until = clock.now() + SLICE_MS;
    try {
      // A callback of the previous batch may have closed the node, or started a task that must
      // finish before the next batch.
      for (;;) {
        if (this.#closed || this.#busy) return;
        // Restore first, so that no task between batches reads a state that is older than the log's
        // base.
        if (this.#restoreDue) return this.#waitFor(this.#restore(), true);
        const next = this.#between.shift();
        if (next !== undefined) return this.#waitFor(next.run(), false);
        if (log.applied >= log.applicable) return;
        invariant(log.applied >= log.base.index, 'the state machine is behind the base of the log');
        if (clock.now() >= until) return this.#yield();
        const held = log.slice(log.applied + 1, this.#batchEnd, BATCH_BYTES);
        const pending = held === undefined ? this.#readAndApply() : this.#apply(held.entries);
        if (pending !== undefined) return this.#waitFor(pending, true);
      }
    } catch (error) {
      onFailure(error as Error);
    }
  }

  /** Prevents further batches, and resolves once the current batch has finished. */
  async close(): Promise<void> {
    this.#closed = true;
    const ended = new KontikiError('KONTIKI_CLOSED', 'The node has ended.');
    for (const { onCancelled } of this.#between.splice(0)) onCancelled(ended);
    // `apply` itself may close the node, so wait until the calling code has finished. Only then
    // does `#busy` show whether the batch is still running.
    await Promise.resolve();
    if (this.#busy) await new Promise<void>((resolve) => (this.#onClosed = resolve));
  }

  #yield(): void {
    this.#yielding = true;
    this.#options.clock.defer(() => {
      this.#yielding = false;
      this.applyNext();
    });
  }

  /** The index of the last entry that the next batch may contain. */
  get #batchEnd(): number {
    const { log } = this.#options;
    return Math.min(log.applicable, log.applied + this.#batchSize.commands);
  }

  #waitFor(pending: Promise<void>, changesState: boolean): void {
    this.#busy = true;
    this.#isChangingState = changesState;
    const end = (): void => {
      this.#busy = false;
      this.#isChangingState = false;
      this.#onClosed();
    };
    pending.then(
      () => {
        end();
        this.applyNext();
      },
      (error: Error) => {
        end();
        if (!this.#closed) this.#options.onFailure(error);
      },
    );
  }

  async #readAndApply(): Promise<void> {
    const { log, store } = this.#options;
    let entries: readonly Entry[];
    try {
      entries = await readEntries(store, log.applied + 1, this.#batchEnd, BATCH_BYTES);
    } catch (error) {
      // A snapshot has replaced the log in the meantime. The snapshot includes the effects of these
      // entries.
      if (isKontikiError(error, 'KONTIKI_COMPACTED') && this.#restoreDue) return;
      throw error;
    }
    await this.#apply(entries);
  }

  async #restore(): Promise<void> {
    const { log, restore, onApplied } = this.#options;
    const { index, term } = log.base;
    this.#restoreDue = false;
    let time: number;
    try {
      time = await restore();
    } catch (error) {
      // A newer snapshot was installed, and this snapshot was removed before it was opened. The
      // machine is unchanged, so the newer snapshot can be restored next.
      const isGone = isKontikiError(error, 'KONTIKI_NO_SNAPSHOT') || isKontikiError(error, 'KONTIKI_LOST_DATA');
      if (isGone && index < log.base.index) return;
      throw error;
    }
    this.#time = time;
    if (!this.#closed) onApplied([], { index, term, time }, []);
  }

  /**
   * Applies a batch. Returns a promise only if the machine's `apply` returns one, so that a
   * synchronous machine does not wait for promises.
   */
  #apply(entries: readonly Entry[]): Promise<void> | undefined {
    const { machine, clock } = this.#options;
    const commands = this.#copyCommands(entries);
    const last = entries.at(-1) as Entry;
    const through = last.index;
    const time = last.time ?? this.#time;
    const start = clock.now();
    let results: readonly Result[] | PromiseLike<readonly Result[]>;
    try {
      results = machine.apply({ entries: commands, through, time });
    } catch (error) {
      throw machineFailed(`applied entries up to ${through}`, error);
    }
    const finish = (settled: readonly Result[]): void => {
      this.#batchSize.note(commands.length, clock.now() - start);
      this.#time = time;
      this.#finish(entries, commands.length, { index: through, term: last.term, time }, settled);
    };
    if (isThenable(results)) {
      return Promise.resolve(results).then(finish, (error: unknown) => {
        throw machineFailed(`applied entries up to ${through}`, error);
      });
    }
    finish(results);
    return undefined;
  }

  /**
   * Returns copies of the commands in a batch. The log still sends and stores the original
   * commands, so the machine must not change them.
   */
  #copyCommands(entries: readonly Entry[]): CommandEntry[] {
    const commands: CommandEntry[] = [];
    for (const entry of entries) {
      if (entry.kind !== 'command') continue;
      const { kind, index, term, time, data } = entry;
      commands.push({ kind, index, term, time, data: this.#pool.copy(data) });
    }
    return commands;
  }

  #finish(entries: readonly Entry[], commands: number, through: AppliedPosition, results: readonly Result[]): void {
    const fault = faultOf(results, commands);
    if (fault !== undefined) throw machineFailed(`applied entries up to ${through.index}`, new TypeError(fault));
    if (!this.#closed) this.#options.onApplied(entries, through, results);
  }
}
