import { KontikiError } from '../errors.js';
import type { Entry } from '../log/entry.js';
import { entriesLength } from '../wire/entries.js';
import { messageOf, remedyFor } from './failure.js';
import { LogStateTracker, type Checkpoint } from './log-state-tracker.js';
import { checkWhere, movedError } from './moved.js';
import type { LogRecord } from './record.js';

/** A call that is waiting until its batch is durable. */
interface Waiting {
  readonly record: LogRecord;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface GroupCommitOptions {
  /** Returns the name of the log, which starts each error message. */
  readonly nameOf: () => string;
  /**
   * Makes a batch of records durable atomically. Called for one batch at a time, and never again
   * after a failure.
   */
  readonly write: (records: readonly LogRecord[]) => Promise<void> | void;
  /** Called when no records are waiting. */
  readonly onIdle: () => void;
}

/**
 * Maximum bytes of entries in one batch. A record that exceeds this limit forms a batch of its own.
 */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/**
 * Implements group commit for a log. Records that arrive while one batch is being written form the
 * next batch and share one sync. Calls resolve in order. After the first failed write, all pending
 * and later calls reject.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  /** The state of the log as callers see it, including the records that are not durable yet. */
  readonly #called = new LogStateTracker();
  /** Calls whose data is not durable yet, oldest first. */
  #waiting: Waiting[] = [];
  #isWriting = false;
  #written: Promise<void> = Promise.resolve();
  #failed: KontikiError | undefined;
  #moved: KontikiError | undefined;
  #retired: Promise<void> | undefined;
  #replacements = 0;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Sets the initial state to the one that the log had when it was opened. */
  restore(checkpoint: Checkpoint): void {
    this.#called.restore(checkpoint);
  }

  /** The error for all further calls; undefined while the log accepts calls. */
  get failed(): KontikiError | undefined {
    return this.#failed ?? this.#moved;
  }

  /** The index up to which entries are compacted or being compacted. */
  get base(): number {
    return this.#called.base.index;
  }

  /** The index of the last entry, durable or not. */
  get last(): number {
    return this.#called.last;
  }

  /** Number of writes so far that have replaced entries in the log. */
  get replacements(): number {
    return this.#replacements;
  }

  /**
   * Adds a record and resolves when it is durable. Starts the write during this call, unless
   * another write is in progress.
   */
  add(record: LogRecord): Promise<void> {
    if (this.failed !== undefined) return Promise.reject(this.failed);
    const { last } = this;
    try {
      this.#called.apply(record);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    if (replaces(record, last)) this.#replacements += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, resolve, reject });
      if (!this.#isWriting) this.#written = this.#writeAll();
    });
  }

  /**
   * Returns the entries, from `index` on, in the waiting call that contains `index`; `entries` is
   * undefined if there is no such call. Newer calls have replaced the entries from `until` on.
   */
  undurable(index: number): { readonly entries: readonly Entry[] | undefined; readonly until: number } {
    let until = Infinity;
    for (let i = this.#waiting.length - 1; i >= 0; i -= 1) {
      const { record } = this.#waiting[i] as Waiting;
      // A reset discards all older entries.
      if (record.kind === 'reset') return { entries: [], until };
      const entries = record.kind === 'write' ? (record.entries ?? []) : [];
      const first = entries[0]?.index ?? Infinity;
      if (first <= index) return { entries: entries.slice(index - first), until };
      until = Math.min(until, first);
    }
    return { entries: undefined, until };
  }

  /** Stops the log after a failure. All waiting and later calls reject. */
  fail(cause: unknown): void {
    this.#failed ??= new KontikiError(
      'KONTIKI_STORE_FAILED',
      `${this.#options.nameOf()} could not be written: ${messageOf(cause)}. Acknowledged data is kept, and nothing more is written. ${remedyFor(cause)}, then start the server again.`,
      { cause },
    );
    for (const { reject } of this.#waiting) reject(this.#failed);
    this.#waiting = [];
  }

  /**
   * Refuses new calls, waits for the calls in progress, and runs `persist`, which durably marks the
   * log as retired. If `persist` fails, only the next `open` shows whether the log is retired.
   */
  retire(where: string, persist: () => Promise<void>): Promise<void> {
    checkWhere(where);
    this.#moved = movedError(this.#options.nameOf(), where);
    this.#retired = this.#retire(persist);
    return this.#retired;
  }

  /** Waits for the calls in progress. */
  async close(): Promise<void> {
    await this.#written;
    await Promise.allSettled([this.#retired]);
  }

  async #retire(persist: () => Promise<void>): Promise<void> {
    await this.#written;
    if (this.#failed !== undefined) throw this.#failed;
    try {
      await persist();
    } catch (error) {
      this.fail(error);
      throw this.#failed as unknown as KontikiError;
    }
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#nextBatch();
        const written = this.#options.write(batch.map(({ record }) => record));
        if (written !== undefined) await written;
        // Another failure may have stopped the log while the write was in progress.
        if (this.#failed !== undefined) return;
        this.#waiting.splice(0, batch.length);
        for (const { resolve } of batch) resolve();
      }
      this.#options.onIdle();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#isWriting = false;
    }
  }

  #nextBatch(): readonly Waiting[] {
    const waiting = this.#waiting;
    let bytes = 0;
    const end = waiting.findIndex(({ record }, i) => (bytes += bytesOf(record)) > MAX_BATCH_BYTES && i > 0);
    return end < 0 ? [...waiting] : waiting.slice(0, end);
  }
}

function bytesOf(record: LogRecord): number {
  return record.kind === 'write' ? entriesLength(record.entries ?? []) : 0;
}

/** Returns whether a record replaces entries of a log that ends at `last`. */
function replaces(record: LogRecord, last: number): boolean {
  if (record.kind !== 'write') return record.kind === 'reset';
  return (record.entries?.[0]?.index ?? Infinity) <= last;
}
