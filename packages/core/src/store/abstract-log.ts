import { isKontikiError, KontikiError } from '../errors.js';
import { checkId } from '../id.js';
import type { Entry } from '../log/entry.js';
import type { LogBase, LogState, LogStore, LogWrite, Owner, Repair } from '../ports/log-store.js';
import { storeFailure } from './failure.js';
import { GroupCommit } from './group-commit.js';
import { Lifecycle } from './lifecycle.js';
import type { LogStateTracker } from './log-state-tracker.js';
import { readPage } from './page.js';
import type { LogRecord } from './record.js';

/** The data that a log store found when it was opened. All of this data is durable. */
export interface OpenedLog {
  /** The state of the log. The store may keep using this tracker. */
  readonly tracker: LogStateTracker;
  /** The bytes that were truncated from the end of the log. Default: none. */
  readonly repairs?: readonly Repair[] | undefined;
}

/**
 * The base class of log stores for any storage medium. The public methods check the state of the
 * store and their arguments. They group calls into batches, serve reads of entries that are not
 * durable yet, and let `close` wait for every call. A store extends this class and implements the
 * protected methods whose names start with `_`. They define its format and recovery.
 *
 * Calls to `_write` and `_retire` do not overlap. `_read` may be called at any time between `_open`
 * and `_close`. `_failure` converts errors that are not a `KontikiError`.
 */
export abstract class AbstractLog implements LogStore {
  readonly #life = new Lifecycle<GroupCommit>(() => this.#name);
  /** The calls on the log since it was last opened. */
  #calls: GroupCommit | undefined;
  #isFull = false;
  #onFull: (full: boolean) => void = () => {};

  /** The location of the log, such as a path, for error messages. */
  protected abstract get _where(): string;

  /**
   * Reads the stored log, or creates a new log. Resolves when all the data that it found is
   * durable. Rejects with `KONTIKI_FOREIGN_DATA` (`checkOwner`), `KONTIKI_MOVED` (`movedError`),
   * `KONTIKI_CORRUPT` (`corruptData`) or `KONTIKI_LOCKED`. Before it rejects, it must release all
   * resources that it opened.
   */
  protected abstract _open(owner: Owner): Promise<OpenedLog>;

  /**
   * Makes records durable, in order. After a crash, the store must find a prefix of all records,
   * with no partial record. The records are valid for the log, because `LogStateTracker.apply` has
   * checked them. Calls do not overlap, and no call follows a failed call. May return undefined if
   * the records are already durable when it returns.
   */
  protected abstract _write(records: readonly LogRecord[]): Promise<void> | void;

  /**
   * Reads durable entries, starting with `from` and ending at or before `to`. The log contains all
   * of these entries. May return fewer entries than requested, or more than `maxBytes`. An empty
   * array means that there are no more entries. May reject if a concurrent write has removed or
   * replaced the entries, in which case the caller reads again, or rejects with
   * `KONTIKI_COMPACTED`.
   */
  protected abstract _read(from: number, to: number, maxBytes: number): Promise<readonly Entry[]>;

  /**
   * Durably marks the log as moved to `where`, so that every later `_open` rejects with
   * `KONTIKI_MOVED`.
   */
  protected abstract _retire(where: string): Promise<void>;

  /**
   * Releases all resources that `_open` opened. Called once per `_open`, when no other call is in
   * progress.
   */
  protected abstract _close(): Promise<void>;

  /** Called when all records are durable. */
  protected _onIdle(): void {}

  /**
   * Converts an error that is not a `KontikiError`. `action` describes the failed action, for
   * example "open the log in /data/a".
   */
  protected _failure(action: string, error: unknown): KontikiError {
    return storeFailure(action, error);
  }

  /**
   * Stops the log, just as a failed write would. Subclasses call this method when their background
   * work fails.
   */
  protected fail(cause: unknown): void {
    this.#calls?.fail(cause);
  }

  /** Reports to the listener of `onFull` whether the disk is full. */
  protected setFull(full: boolean): void {
    this.#isFull = full;
    this.#onFull(full);
  }

  async open(owner: Owner): Promise<LogState> {
    checkId('cluster', owner.cluster);
    checkId('server', owner.server);
    let state: LogState | undefined;
    await this.#life.open(async () => {
      const calls = new GroupCommit({
        nameOf: () => this.#name,
        write: (records) => this._write(records),
        onIdle: () => this._onIdle(),
      });
      this.#calls = calls;
      this.#isFull = false;
      const { tracker, repairs } = await this.#openData(owner);
      calls.restore(tracker.checkpoint);
      state = tracker.state(repairs);
      return calls;
    });
    return state as unknown as LogState;
  }

  append({ ballot, life, entries = [], committed }: LogWrite): Promise<void> {
    // A commit index alone needs no write, because the next write for another reason will contain a
    // newer one.
    const isEmpty = ballot === undefined && life === undefined && entries.length === 0;
    return this.#add(isEmpty ? undefined : { kind: 'write', ballot, life, entries, committed });
  }

  reset(base: LogBase): Promise<void> {
    return this.#add({ kind: 'reset', base });
  }

  compact(base: LogBase): Promise<void> {
    return this.#add({ kind: 'compact', base });
  }

  async read(from: number, to: number, maxBytes: number): Promise<Entry[]> {
    const calls = this.#usable;
    return this.#life.track(readPage((...part) => this.#find(calls, ...part), from, to, maxBytes));
  }

  async retire(where: string): Promise<void> {
    await this.#usable.retire(where, () => this._retire(where));
  }

  onFull(listener: (full: boolean) => void): void {
    this.#onFull = listener;
    if (this.#isFull) listener(true);
  }

  close(): Promise<void> {
    return this.#life.close(async (calls) => {
      await calls.close();
      await this._close().catch((error: unknown) => {
        throw this.#failure('close the log', error);
      });
    });
  }

  get #name(): string {
    return `The log in ${this._where}`;
  }

  /** The calls on the open log. Throws if the log is not open or has failed. */
  get #usable(): GroupCommit {
    const calls = this.#life.opened;
    if (calls.failed !== undefined) throw calls.failed;
    return calls;
  }

  async #openData(owner: Owner): Promise<OpenedLog> {
    let opened: OpenedLog;
    try {
      opened = await this._open(owner);
    } catch (error) {
      throw this.#failure('open the log', error);
    }
    const { committed, last } = opened.tracker.checkpoint;
    if (committed <= last) return opened;
    await this._close().catch(() => {
      // Ignore this error, because the error about the lost data is more useful.
    });
    throw new KontikiError(
      'KONTIKI_LOST_DATA',
      `${this.#name} ends at entry ${last}, but entry ${committed} was committed on this server. Restore the log from a copy, or remove this server from the cluster and add a server with a new id.`,
    );
  }

  #failure(action: string, error: unknown): KontikiError {
    return isKontikiError(error) ? error : this._failure(`${action} in ${this._where}`, error);
  }

  #add(record: LogRecord | undefined): Promise<void> {
    try {
      const calls = this.#usable;
      return record === undefined ? Promise.resolve() : calls.add(record);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /**
   * Returns one or more entries, starting with `from`. Returns no entries if the log ends before
   * `from`.
   */
  async #find(calls: GroupCommit, from: number, to: number, maxBytes: number): Promise<readonly Entry[]> {
    for (;;) {
      const { failed, base, last, replacements } = calls;
      if (failed !== undefined) throw failed;
      if (from <= base) throw compacted(from, base);
      const { entries, until } = calls.undurable(from);
      if (entries !== undefined) return entries.slice(0, until - from);
      if (from > last) return [];
      try {
        return await this._read(from, Math.min(to, last, until - 1), maxBytes);
      } catch (error) {
        if (from <= calls.base) throw compacted(from, calls.base);
        // If entries were replaced during the read, the store may have returned a mix of old and
        // new entries, so read again.
        if (calls.replacements === replacements) throw this.#failure('read the log', error);
      }
    }
  }
}

function compacted(from: number, base: number): KontikiError {
  return new KontikiError(
    'KONTIKI_COMPACTED',
    `Entry ${from} cannot be read: entries up to ${base} are compacted. Install a snapshot instead.`,
  );
}
