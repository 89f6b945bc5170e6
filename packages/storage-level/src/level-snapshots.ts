import { silentLogger, type KontikiError, type Logger, type Owner, type SnapshotMeta } from '@kontiki/core';
import {
  AbstractSnapshots,
  type OpenedSnapshots,
  type SnapshotSink,
  type UnfinishedSnapshot,
} from '@kontiki/core/store';
import { clearChunks, readChunk } from './chunks.js';
import { databaseFailure } from './failure.js';
import { freeBytesOf } from './free-space.js';
import { LevelSink } from './level-sink.js';
import { checkName, Namespace, placeOf, type Database, type FreeBytes, type LevelOptions } from './namespace.js';
import { infoKey } from './snapshot-keys.js';
import { recover } from './snapshot-recovery.js';

export interface LevelSnapshotsOptions extends LevelOptions {
  /** The logger that receives errors about damaged snapshots. Default: no logging. */
  readonly logger?: Logger | undefined;
}

/**
 * A snapshot store in an `abstract-level` database, with chunks of at most 252 KiB. The store opens
 * the database if necessary, but never closes it, because other stores may use it.
 */
export class LevelSnapshots extends AbstractSnapshots<number> {
  readonly #database: Database;
  readonly #path: readonly string[];
  readonly #logger: Logger;
  readonly #freeBytes: FreeBytes;
  #namespace!: Namespace;
  /** The number of the next snapshot. */
  #next = 1;

  constructor(database: Database, { name = 'kontiki', logger = silentLogger, freeBytes }: LevelSnapshotsOptions = {}) {
    super();
    this.#database = database;
    this.#path = [checkName(name), 'snapshots'];
    this.#logger = logger;
    this.#freeBytes = freeBytes ?? freeBytesOf(database);
  }

  protected override get _where(): string {
    return placeOf(this.#path);
  }

  protected override async _open(owner: Owner): Promise<OpenedSnapshots<number>> {
    const namespace = await Namespace.open(this.#database, this.#path);
    try {
      const recovered = await recover(namespace, owner, this.#logger);
      this.#namespace = namespace;
      this.#next = recovered.next;
      return recovered;
    } catch (error) {
      await namespace.close();
      throw error;
    }
  }

  protected override async _create(
    meta: SnapshotMeta,
    resumed: UnfinishedSnapshot<number> | undefined,
  ): Promise<SnapshotSink<number>> {
    const number = resumed?.location ?? this.#next++;
    return new LevelSink({
      namespace: this.#namespace,
      freeBytes: this.#freeBytes,
      meta,
      number,
      durable: resumed?.bytes ?? 0,
    });
  }

  protected override async *_read(number: number, offset: number, end: number): AsyncGenerator<Uint8Array, void> {
    for (let at = offset; at < end;) {
      const bytes = await readChunk(this.#namespace, number, at);
      at += bytes.length;
      yield bytes;
    }
  }

  protected override _remove(number: number): Promise<void> {
    return this.#namespace.write([{ type: 'del', key: infoKey(number) }]);
  }

  protected override _free(number: number): Promise<void> {
    return clearChunks(this.#namespace, number);
  }

  protected override _close(): Promise<void> {
    return this.#namespace.close();
  }

  protected override _failure(action: string, error: unknown): KontikiError {
    return databaseFailure(action, error);
  }
}
