import {
  KontikiError,
  type Entry,
  type LogBase,
  type LogState,
  type LogStore,
  type LogWrite,
  type Owner,
} from '@kontiki/core';
import { Ledger, readPage } from '@kontiki/core/store';
import { readBlocks } from './block-reader.js';
import { failure } from './failure.js';
import { MOVED, OWNER } from './keys.js';
import { LogWriter } from './log-writer.js';
import { encodeMoved } from './moved.js';
import { encodeOwner } from './owner.js';
import { recover } from './recovery.js';
import { checkName, enter, type Database, type LevelOptions, type Room } from './room.js';

interface Opened {
  readonly room: Room;
  readonly writer: LogWriter;
}

/**
 * A log in a database of `abstract-level`: LevelDB, IndexedDB, memory. Group commit: what is called while one batch is
 * written is the next one, durable as a whole or not at all. The database is opened when it is not open, and never closed:
 * it is its owner's, and others may use it.
 */
export class LevelLog implements LogStore {
  readonly #database: Database;
  readonly #path: readonly string[];
  #opened: Opened | undefined;
  /** Reads under way, for which the database must stay open. */
  readonly #reads = new Set<Promise<Entry[]>>();

  constructor(database: Database, { name = 'kontiki' }: LevelOptions = {}) {
    this.#database = database;
    this.#path = [checkName(name), 'log'];
  }

  async open(owner: Owner): Promise<LogState> {
    const room = await enter(this.#database, this.#path);
    try {
      const found = await recover(room, owner);
      const recovered = found ?? { ledger: new Ledger(), generation: 0, block: 0 };
      const state = recovered.ledger.state([]);
      const writer = new LogWriter(room, recovered);
      await writer.begin(found === undefined ? [{ type: 'put', key: OWNER, value: encodeOwner(OWNER, owner) }] : []);
      this.#opened = { room, writer };
      return state;
    } catch (error) {
      await room.leave();
      throw failure(room.where, error);
    }
  }

  async append(write: LogWrite): Promise<void> {
    const { ballot, entries = [], committed } = write;
    const { calls } = this.#usable().writer;
    // The commit index alone is worth no write; the next one carries it.
    if (ballot !== undefined || entries.length > 0) await calls.add({ kind: 'write', ballot, entries, committed });
  }

  async reset(base: LogBase): Promise<void> {
    await this.#usable().writer.calls.add({ kind: 'reset', base });
  }

  async compact(base: LogBase): Promise<void> {
    await this.#usable().writer.calls.add({ kind: 'compact', base });
  }

  async read(from: number, to: number, maxBytes: number): Promise<Entry[]> {
    const opened = this.#usable();
    const read = readPage((...part) => this.#find(opened, ...part), from, to, maxBytes);
    this.#reads.add(read);
    try {
      return await read;
    } finally {
      this.#reads.delete(read);
    }
  }

  async retire(where: string): Promise<void> {
    const { room, writer } = this.#usable();
    await writer.calls.retire(where, () => room.write([{ type: 'put', key: MOVED, value: encodeMoved(where) }]));
  }

  /** Never called: a database does not say how much room is left. A full disk fails the write that meets it. */
  onFull(): void {}

  async close(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    try {
      await Promise.allSettled(this.#reads);
      await opened.writer.close();
    } finally {
      await opened.room.leave();
    }
  }

  #usable(): Opened {
    const opened = this.#opened;
    if (opened === undefined) throw new KontikiError('KONTIKI_CLOSED', 'The log is not open.');
    const { failed } = opened.writer.calls;
    if (failed !== undefined) throw failed;
    return opened;
  }

  /** Some entries from `from` on; none beyond the last one. */
  async #find(opened: Opened, from: number, to: number, maxBytes: number): Promise<readonly Entry[]> {
    const { room, writer } = opened;
    for (;;) {
      const { calls, last, generation, replaced } = writer;
      if (calls.failed !== undefined) throw calls.failed;
      if (from <= calls.base) throw compacted(from, calls.base);
      const { entries, until } = calls.undurable(from);
      if (entries !== undefined) return entries.slice(0, until - from);
      if (from > last) return [];
      try {
        return await readBlocks(room, generation, from, Math.min(to, last, until - 1), maxBytes);
      } catch (error) {
        if (from <= calls.base) throw compacted(from, calls.base);
        // What was found first need not fit what another batch has put behind it.
        if (writer.replaced === replaced) throw failure(room.where, error);
      }
    }
  }
}

function compacted(from: number, base: number): KontikiError {
  return new KontikiError('KONTIKI_COMPACTED', `Entries up to ${base} are compacted away; ${from} was read.`);
}
