import { KontikiError } from '../errors.js';
import type { Entry } from '../log/entry.js';
import { entriesLength } from '../wire/entries.js';
import { messageOf } from './failure.js';
import { LogStateTracker, type Checkpoint } from './log-state-tracker.js';
import { checkWhere, movedError } from './moved.js';
import type { LogRecord } from './record.js';

/** A call that waits until its batch is durable. */
interface Waiting {
  readonly record: LogRecord;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface GroupCommitOptions {
  /** Returns the name of the log, at the beginning of a sentence. */
  readonly nameOf: () => string;
  /**
   * Makes a batch durable as a whole. Called for one batch at a time, and never again after the
   * first failure.
   */
  readonly write: (records: readonly LogRecord[]) => Promise<void> | void;
  /** Called when no record waits any more. */
  readonly onIdle: () => void;
}

/** Bytes of entries in one batch. A single larger record is a batch of its own. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/**
 * Group commit: the records that arrive while one batch is written form the next batch, so that
 * they share one sync. Calls resolve in order. The first failed write ends the log: that call and
 * every later one fail.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  /** The log as its callers see it, including the records that wait. */
  readonly #called = new LogStateTracker();
  /** Calls that are not durable yet, oldest first. */
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

  /** Starts from the state of the log when it is opened. */
  restore(checkpoint: Checkpoint): void {
    this.#called.restore(checkpoint);
  }

  /** Why the log accepts no more calls; undefined if it does. */
  get failed(): KontikiError | undefined {
    return this.#failed ?? this.#moved;
  }

  /** The index up to which everything is compacted, or is about to be. */
  get base(): number {
    return this.#called.base.index;
  }

  /** The index of the last entry, durable or not. */
  get last(): number {
    return this.#called.last;
  }

  /** How often entries of the log have been replaced. */
  get replacements(): number {
    return this.#replacements;
  }

  /**
   * Resolves when the record is durable. Its write starts within this call, unless another write is
   * in progress.
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
   * Returns the entries from `index` on that a waiting call holds, undefined if none does. `until`
   * is the first index from which on a newer call has replaced the entries.
   */
  undurable(index: number): { readonly entries: readonly Entry[] | undefined; readonly until: number } {
    let until = Infinity;
    for (let i = this.#waiting.length - 1; i >= 0; i -= 1) {
      const { record } = this.#waiting[i] as Waiting;
      // A reset leaves no older entry.
      if (record.kind === 'reset') return { entries: [], until };
      const entries = record.kind === 'write' ? (record.entries ?? []) : [];
      const first = entries[0]?.index ?? Infinity;
      if (first <= index) return { entries: entries.slice(index - first), until };
      until = Math.min(until, first);
    }
    return { entries: undefined, until };
  }

  /** Ends the log: every waiting call and every later one fails. */
  fail(cause: unknown): void {
    this.#failed ??= new KontikiError(
      'KONTIKI_STORE_FAILED',
      `${this.#options.nameOf()} could not be written: ${messageOf(cause)}. Acknowledged data is kept, and nothing more is written. Repair the disk or the database, then start the server again.`,
      { cause },
    );
    for (const { reject } of this.#waiting) reject(this.#failed);
    this.#waiting = [];
  }

  /**
   * Refuses further calls, waits for those in progress and then runs `persist`, which makes it
   * durable that the log is retired. If `persist` fails, only the next opening shows whether the
   * log is retired.
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
        // Something else may have ended the log during the write.
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

/** Whether a record replaces entries of a log that ended at `last`. */
function replaces(record: LogRecord, last: number): boolean {
  if (record.kind !== 'write') return record.kind === 'reset';
  return (record.entries?.[0]?.index ?? Infinity) <= last;
}
