import {
  KontikiError,
  silentLogger,
  type Logger,
  type Owner,
  type SnapshotInfo,
  type SnapshotMeta,
  type SnapshotStore,
  type SnapshotWriter,
} from '@kontiki/core';
import { admitSnapshot } from '@kontiki/core/store';
import { chunkFrom, clearChunks } from './chunks.js';
import { failure, notOpen, writeFailure } from './failure.js';
import { checkName, enter, type Database, type LevelOptions, type Room } from './room.js';
import { infoKey } from './snapshot-keys.js';
import { recover, type Recovered } from './snapshot-recovery.js';
import { forget, LevelWriter, resume } from './snapshot-writer.js';

export interface LevelSnapshotsOptions extends LevelOptions {
  /** Is told of snapshots that are damaged. Default: nobody. */
  readonly logger?: Logger | undefined;
}

interface Opened extends Recovered {
  readonly owner: Owner;
  readonly room: Room;
  /** By id; undefined while one is being opened. */
  readonly writers: Map<string, LevelWriter | undefined>;
  /** What `close` waits for. */
  readonly calls: Set<Promise<unknown>>;
  /** By number, how many read it. */
  readonly readers: Map<number, number>;
  /** Numbers whose chunks go when their readers have ended. */
  readonly leaving: Set<number>;
}

/**
 * Snapshots in a database of `abstract-level`, in chunks of at most 252 KiB. The database is opened when it is not open, and
 * never closed; it may be the log's too.
 */
export class LevelSnapshots implements SnapshotStore {
  readonly #database: Database;
  readonly #path: readonly string[];
  readonly #logger: Logger;
  #opened: Opened | undefined;

  constructor(database: Database, { name = 'kontiki', logger = silentLogger }: LevelSnapshotsOptions = {}) {
    this.#database = database;
    this.#path = [checkName(name), 'snapshots'];
    this.#logger = logger;
  }

  async open(owner: Owner): Promise<void> {
    const room = await enter(this.#database, this.#path);
    try {
      const recovered = await recover(room, owner, this.#logger);
      const empty = { writers: new Map(), calls: new Set<never>(), readers: new Map(), leaving: new Set<number>() };
      this.#opened = { ...recovered, ...empty, owner, room };
    } catch (error) {
      await room.leave();
      throw failure(room.where, error);
    }
  }

  async list(): Promise<readonly SnapshotInfo[]> {
    const infos = [...this.#usable().finished.values()].map(({ info }) => info);
    return infos.sort((a, b) => b.last.index - a.last.index);
  }

  async *read(id: string, offset = 0): AsyncGenerator<Uint8Array, void> {
    const opened = this.#usable();
    const found = opened.finished.get(id);
    if (found === undefined) throw new KontikiError('KONTIKI_NO_SNAPSHOT', `There is no snapshot ${id}.`);
    const { number, info } = found;
    const { readers, room } = opened;
    readers.set(number, (readers.get(number) ?? 0) + 1);
    try {
      for (let at = offset; at < info.bytes;) {
        if (this.#opened !== opened) throw notOpen();
        const bytes = await during(opened, () => chunkFrom(room, number, at));
        at += bytes.length;
        yield bytes;
      }
    } catch (error) {
      throw failure(`snapshot ${id} in ${room.where}`, error);
    } finally {
      const left = (readers.get(number) as number) - 1;
      if (left > 0) readers.set(number, left);
      else readers.delete(number);
      if (opened.leaving.has(number)) this.#letGo(opened, number);
    }
  }

  async create(meta: SnapshotMeta): Promise<SnapshotWriter> {
    const opened = this.#usable();
    const { owner, room, writers } = opened;
    admitSnapshot(meta, owner, writers.has(meta.id));
    writers.set(meta.id, undefined);
    try {
      return await during(opened, () => this.#begin(opened, meta));
    } catch (error) {
      writers.delete(meta.id);
      throw writeFailure(`snapshot ${meta.id} in ${room.where}`, error);
    }
  }

  async remove(id: string): Promise<void> {
    const opened = this.#usable();
    const found = opened.finished.get(id);
    if (found === undefined) return;
    opened.finished.delete(id);
    const { room } = opened;
    try {
      await during(opened, () => room.write([{ type: 'del', key: infoKey(found.number) }]));
    } catch (error) {
      // It may still be there, so whoever asks again has it removed, unless it was written anew meanwhile.
      if (!opened.finished.has(id)) opened.finished.set(id, found);
      throw writeFailure(`removing snapshot ${id} from ${room.where}`, error);
    }
    this.#letGo(opened, found.number);
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    try {
      await Promise.allSettled(opened.calls);
      await Promise.all([...opened.writers.values()].map(async (writer) => writer?.detach()));
    } finally {
      await opened.room.leave();
    }
  }

  async #begin(opened: Opened, meta: SnapshotMeta): Promise<LevelWriter> {
    const { room, unfinished, finished, writers } = opened;
    const begun = unfinished.get(meta.id);
    const others = [...unfinished.values()].filter((number) => number !== begun);
    unfinished.clear();
    for (const number of others) await forget(room, number);
    const checker = begun === undefined ? undefined : await resume(room, meta, begun);
    if (begun !== undefined && checker === undefined) await forget(room, begun);
    const number = begun !== undefined && checker !== undefined ? begun : opened.next++;
    const writer = new LevelWriter(
      {
        room,
        meta,
        number,
        replaces: () => {
          const before = finished.get(meta.id);
          return before === undefined ? [] : [{ type: 'del', key: infoKey(before.number) }];
        },
        ended: (info) => {
          writers.delete(meta.id);
          if (info === undefined) return;
          const before = finished.get(info.id);
          finished.set(info.id, { info, number });
          if (before !== undefined) this.#letGo(opened, before.number);
        },
      },
      checker,
    );
    writers.set(meta.id, writer);
    return writer;
  }

  /** Deletes the chunks of a snapshot that is gone, at leisure, once nobody reads it. What is left undone the next start does. */
  #letGo(opened: Opened, number: number): void {
    const { room, readers, leaving } = opened;
    leaving.add(number);
    if (readers.has(number) || this.#opened !== opened) return;
    leaving.delete(number);
    during(opened, () => clearChunks(room, number)).catch(() => {});
  }

  #usable(): Opened {
    if (this.#opened === undefined) throw notOpen();
    return this.#opened;
  }
}

/** A call that `close` waits for. */
async function during<T>({ calls }: Opened, run: () => Promise<T>): Promise<T> {
  const call = run();
  calls.add(call);
  try {
    return await call;
  } finally {
    calls.delete(call);
  }
}
