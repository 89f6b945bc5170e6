import { KontikiError } from '../errors.js';
import type { Entry } from '../log/entry.js';
import { Ledger, type Checkpoint } from './ledger.js';
import { checkWhere, movedError } from './moved.js';
import type { LogRecord } from './record.js';

/** A call that waits for its batch to be durable. */
interface Waiting {
  readonly record: LogRecord;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface GroupCommitOptions {
  /** What the log holds. */
  readonly checkpoint: Checkpoint;
  /** Where the log is, for people. */
  readonly where: string;
  /** Bytes that a record takes. */
  readonly bytesOf: (record: LogRecord) => number;
  /** Makes a batch durable as a whole. Called for one batch at a time; the first rejection is the last call. */
  readonly write: (records: readonly LogRecord[]) => Promise<void>;
  /** Called when nothing waits. */
  readonly idle?: (() => void) | undefined;
}

/** Records of one batch, above a single record of any size: what one sync makes durable. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** Group commit: what comes while one batch is being written is the next one. Calls resolve in order, and a first failure is the end. */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  /** The log as its callers see it: with everything that waits. */
  readonly #called = new Ledger();
  /** Calls not yet durable, oldest first. */
  #waiting: Waiting[] = [];
  #busy: Promise<void> | undefined;
  #failed: KontikiError | undefined;
  #moved: KontikiError | undefined;
  #retiring: Promise<void> | undefined;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#called.restore(options.checkpoint);
  }

  /** Why no call is taken any more. */
  get failed(): KontikiError | undefined {
    return this.#failed ?? this.#moved;
  }

  /** Up to where everything is compacted, or is about to be. */
  get base(): number {
    return this.#called.base.index;
  }

  /** Resolves when the record is durable. Its write begins at once, within this call, unless another one is under way. */
  add(record: LogRecord): Promise<void> {
    if (this.failed !== undefined) return Promise.reject(this.failed);
    try {
      this.#called.apply(record);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, resolve, reject });
      this.#busy ??= this.#writeAll();
    });
  }

  /** What calls that still wait say of the entries from `index` on. `until`: a newer call has other ones from there on. */
  undurable(index: number): { readonly entries: readonly Entry[] | undefined; readonly until: number } {
    let until = Infinity;
    for (let i = this.#waiting.length - 1; i >= 0; i -= 1) {
      const { record } = this.#waiting[i] as Waiting;
      // Nothing from before it is left.
      if (record.kind === 'reset') return { entries: [], until };
      const entries = record.kind === 'write' ? (record.entries ?? []) : [];
      const first = entries[0]?.index ?? Infinity;
      if (first <= index) return { entries: entries.slice(index - first), until };
      until = Math.min(until, first);
    }
    return { entries: undefined, until };
  }

  /** Ends it for good: every call that waits, and every later one, fails. */
  fail(cause: unknown): void {
    this.#failed ??= new KontikiError(
      'KONTIKI_STORE_FAILED',
      `The log in ${this.#options.where} could not be written (${(cause as Error).message}). What was acknowledged is kept; nothing more is written. See to the disk and start the server again.`,
      { cause },
    );
    for (const { reject } of this.#waiting) reject(this.#failed);
    this.#waiting = [];
  }

  /**
   * Takes no more calls, lets those that wait end, and then has `mark` make it durable that the log is retired. When that
   * fails, only the next start tells whether it is.
   */
  retire(where: string, mark: () => Promise<void>): Promise<void> {
    checkWhere(where);
    this.#moved = movedError(`The log in ${this.#options.where}`, where);
    this.#retiring = this.#retire(mark);
    return this.#retiring;
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#busy;
    await Promise.allSettled([this.#retiring]);
  }

  async #retire(mark: () => Promise<void>): Promise<void> {
    await this.#busy;
    if (this.#failed !== undefined) throw this.#failed;
    try {
      await mark();
    } catch (error) {
      this.fail(error);
      throw this.#failed as unknown as KontikiError;
    }
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#next();
        await this.#options.write(batch.map(({ record }) => record));
        // Something else may have ended it meanwhile.
        if (this.#failed !== undefined) return;
        this.#waiting.splice(0, batch.length);
        for (const { resolve } of batch) resolve();
      }
      this.#options.idle?.();
    } catch (error) {
      this.fail(error);
    } finally {
      this.#busy = undefined;
    }
  }

  #next(): readonly Waiting[] {
    const waiting = this.#waiting;
    let bytes = 0;
    const end = waiting.findIndex(
      ({ record }, i) => (bytes += this.#options.bytesOf(record)) > MAX_BATCH_BYTES && i > 0,
    );
    return end < 0 ? [...waiting] : waiting.slice(0, end);
  }
}
