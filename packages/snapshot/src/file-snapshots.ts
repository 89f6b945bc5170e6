import { KontikiError, silentLogger, type Logger, type Owner, type SnapshotMeta } from '@kontiki/core';
import {
  AbstractSnapshots,
  checkFolder,
  type OpenedSnapshots,
  type SnapshotSink,
  type UnfinishedSnapshot,
} from '@kontiki/core/store';
import { MAX_SNAPSHOT_CHUNK } from '@kontiki/core/wire';
import type { File, Folder, Lock } from '@kontiki/files';
import { openFolder } from '@kontiki/files/node';
import { FileSink } from './file-sink.js';
import { unfinishedName } from './names.js';
import { recover } from './recovery.js';

export interface FileSnapshotsOptions {
  /** Logger for errors about damaged snapshot files. Default: no logging. */
  readonly logger?: Logger | undefined;
}

/**
 * Snapshot store with one file per snapshot. The folder may be shared with the log. A file gets its
 * final name only when the snapshot is complete and durable, so the name alone identifies finished
 * snapshots.
 */
export class FileSnapshots extends AbstractSnapshots<string> {
  readonly #place: string | Folder;
  readonly #logger: Logger;
  #folder!: Folder;
  #lock!: Lock;

  /** `folder` is a path or an open folder. */
  constructor(folder: string | Folder, options: FileSnapshotsOptions = {}) {
    super();
    this.#place = checkFolder(folder);
    this.#logger = options.logger ?? silentLogger;
  }

  protected override get _where(): string {
    return typeof this.#place === 'string' ? this.#place : this.#place.path;
  }

  protected override async _open(owner: Owner): Promise<OpenedSnapshots<string>> {
    const folder = typeof this.#place === 'string' ? await openFolder(this.#place) : this.#place;
    const lock = await folder.lock('snapshots');
    try {
      const found = await recover(folder, owner, this.#logger);
      [this.#folder, this.#lock] = [folder, lock];
      return found;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  protected override async _create(
    { id }: SnapshotMeta,
    resumed: UnfinishedSnapshot<string> | undefined,
  ): Promise<SnapshotSink<string>> {
    if (resumed !== undefined) {
      return new FileSink(this.#folder, await this.#folder.open(resumed.location), id, resumed.bytes);
    }
    return new FileSink(this.#folder, await this.#folder.create(unfinishedName(id, 0)), id, 0);
  }

  protected override async *_read(name: string, offset: number, end: number): AsyncGenerator<Uint8Array, void> {
    const file = await this.#openToRead(name);
    try {
      for (let at = offset; at < end;) {
        const bytes = await file.read(at, Math.min(MAX_SNAPSHOT_CHUNK, end - at));
        if (bytes.length === 0) return;
        at += bytes.length;
        yield bytes;
      }
    } finally {
      await file.close();
    }
  }

  protected override async _remove(name: string): Promise<void> {
    await this.#folder.remove(name);
    await this.#folder.sync();
  }

  protected override async _close(): Promise<void> {
    await this.#lock.release();
  }

  async #openToRead(name: string): Promise<File> {
    try {
      return await this.#folder.open(name);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
      throw new KontikiError('KONTIKI_NO_SNAPSHOT', `The file ${name} was removed.`, { cause: error });
    }
  }
}
