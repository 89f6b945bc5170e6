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
import { MAX_SNAPSHOT_CHUNK } from '@kontiki/core/wire';
import type { File, Folder, Lock } from '@kontiki/files';
import { openFolder } from '@kontiki/files/node';
import { failure, notOpen, refused, unusable } from './failure.js';
import { FileWriter } from './file-writer.js';
import { finishedName, unfinishedName } from './names.js';
import { recover, type Recovered } from './recovery.js';

export interface FileSnapshotsOptions {
  /** Is told of files that look like snapshots and are damaged. Default: nobody. */
  readonly logger?: Logger | undefined;
}

interface Opened extends Recovered {
  readonly owner: Owner;
  readonly folder: Folder;
  readonly lock: Lock;
  /** By id; undefined while one is being opened. */
  readonly writers: Map<string, FileWriter | undefined>;
  /** What `close` waits for. */
  readonly calls: Set<Promise<unknown>>;
  /** Files that are being read. */
  readonly files: Set<File>;
}

/**
 * Snapshots in files, one each, in a folder that may be the log's too. One that is being written has another name until it
 * is whole and durable; the name is all that makes it a snapshot.
 */
export class FileSnapshots implements SnapshotStore {
  readonly #place: string | Folder;
  readonly #logger: Logger;
  #opened: Opened | undefined;

  /** `place`: the folder's path, or a folder that is open already. */
  constructor(place: string | Folder, options: FileSnapshotsOptions = {}) {
    this.#place = place;
    this.#logger = options.logger ?? silentLogger;
  }

  async open(owner: Owner): Promise<void> {
    const place = this.#place;
    const folder = typeof place === 'string' ? await openFolder(place).catch(refused(place)) : place;
    const lock = await folder.lock('snapshots').catch(refused(folder.path));
    try {
      const recovered = await recover(folder, owner, this.#logger);
      this.#opened = { ...recovered, owner, folder, lock, writers: new Map(), calls: new Set(), files: new Set() };
    } catch (error) {
      await lock.release();
      throw unusable(folder.path, error);
    }
  }

  async list(): Promise<readonly SnapshotInfo[]> {
    return [...this.#usable().finished.values()].sort((a, b) => b.last.index - a.last.index);
  }

  async *read(id: string, offset = 0): AsyncGenerator<Uint8Array, void> {
    const opened = this.#usable();
    const info = opened.finished.get(id);
    if (info === undefined) throw new KontikiError('KONTIKI_NO_SNAPSHOT', `There is no snapshot ${id}.`);
    const where = `${opened.folder.path}/${finishedName(info)}`;
    const file = await during(opened, () => openToRead(opened, info));
    const readAt = (at: number): Promise<Uint8Array> => {
      const bytes = during(opened, async () => {
        // The file has been closed with the store then, and its number may be another one's.
        if (this.#opened !== opened) throw notOpen();
        return file.read(at, Math.min(MAX_SNAPSHOT_CHUNK, info.bytes - at));
      });
      bytes.catch(() => {
        // Told when it is its turn.
      });
      return bytes;
    };
    // The next piece is read while somebody is busy with the one before.
    let ahead = readAt(offset);
    try {
      for (let at = offset; at < info.bytes;) {
        const bytes = await ahead;
        if (bytes.length === 0) {
          throw new KontikiError('KONTIKI_CORRUPT', `${where} ends at byte ${at}, and it had ${info.bytes} once.`);
        }
        at += bytes.length;
        ahead = readAt(at);
        yield bytes;
      }
    } catch (error) {
      throw failure(where, error);
    } finally {
      opened.files.delete(file);
      await Promise.allSettled([ahead]);
      await file.close();
    }
  }

  async create(meta: SnapshotMeta): Promise<SnapshotWriter> {
    const opened = this.#usable();
    const { owner, folder, writers } = opened;
    admitSnapshot(meta, owner, writers.has(meta.id));
    writers.set(meta.id, undefined);
    try {
      return await during(opened, () => this.#begin(opened, meta));
    } catch (error) {
      writers.delete(meta.id);
      throw failure(`snapshot ${meta.id} in ${folder.path}`, error);
    }
  }

  async remove(id: string): Promise<void> {
    const opened = this.#usable();
    const info = opened.finished.get(id);
    if (info === undefined) return;
    opened.finished.delete(id);
    const { folder } = opened;
    await during(opened, async () => {
      await folder.remove(finishedName(info));
      await folder.sync();
    }).catch((error: unknown) => {
      // It may still be there, so whoever asks again has it removed, unless it was written anew meanwhile.
      if (!opened.finished.has(id)) opened.finished.set(id, info);
      throw failure(`removing snapshot ${id} from ${folder.path}`, error);
    });
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    try {
      await Promise.allSettled(opened.calls);
      await Promise.all([...opened.writers.values()].map(async (writer) => writer?.detach()));
      await Promise.all([...opened.files].map((file) => file.close()));
    } finally {
      await opened.lock.release();
    }
  }

  async #begin(opened: Opened, meta: SnapshotMeta): Promise<FileWriter> {
    const { folder, finished, unfinished, writers } = opened;
    const durable = unfinished.get(meta.id) ?? 0;
    const others = [...unfinished].filter(([id]) => id !== meta.id);
    unfinished.clear();
    for (const [id, bytes] of others) await folder.remove(unfinishedName(id, bytes));
    const writer = await FileWriter.open(folder, meta, durable, (info) => {
      writers.delete(meta.id);
      if (info !== undefined) finished.set(info.id, info);
    });
    writers.set(meta.id, writer);
    return writer;
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

async function openToRead({ folder, files }: Opened, info: SnapshotInfo): Promise<File> {
  try {
    const file = await folder.open(finishedName(info));
    files.add(file);
    return file;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw failure(`snapshot ${info.id}`, error);
    throw new KontikiError('KONTIKI_NO_SNAPSHOT', `Snapshot ${info.id} is gone.`, { cause: error });
  }
}
