import type { SnapshotInfo, SnapshotMeta } from '@kontiki/core';
import type { SnapshotSink } from '@kontiki/core/store';
import { MAX_SNAPSHOT_CHUNK } from '@kontiki/core/wire';
import { diskFull, hasRoom } from './free-space.js';
import type { FreeBytes, Namespace, Operation } from './namespace.js';
import { chunkKey, encodeInfo, infoKey } from './snapshot-keys.js';

export interface LevelSinkOptions {
  readonly namespace: Namespace;
  readonly freeBytes: FreeBytes;
  readonly meta: SnapshotMeta;
  /** The number of the snapshot, which is part of its keys. */
  readonly number: number;
  /** Number of bytes of the snapshot that are already in the database. */
  readonly durable: number;
}

/**
 * Writes an unfinished snapshot to the database in chunks. Each chunk is synced, because a database
 * may lose an unsynced batch even when a later batch is durable. LevelDB, for example, starts a new
 * file without syncing the previous one.
 */
export class LevelSink implements SnapshotSink<number> {
  /** The number of the snapshot, which is part of its keys. */
  readonly location: number;
  readonly #options: LevelSinkOptions;
  /**
   * A buffer for the next chunk. Its first `#filled` bytes have not been written to the database
   * yet.
   */
  #chunk = new Uint8Array(MAX_SNAPSHOT_CHUNK);
  #filled = 0;
  /** Number of bytes of the snapshot received so far. */
  #end: number;
  /**
   * The promise of the last batch. Batches are written one after the other, because a database may
   * reorder concurrent batches.
   */
  #put: Promise<void> = Promise.resolve();

  constructor(options: LevelSinkOptions) {
    this.#options = options;
    this.location = options.number;
    this.#end = options.durable;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + MAX_SNAPSHOT_CHUNK - this.#filled);
      this.#chunk.set(piece, this.#filled);
      this.#filled += piece.length;
      this.#end += piece.length;
      at += piece.length;
      if (this.#filled === MAX_SNAPSHOT_CHUNK) await this.sync();
    }
  }

  /** Writes the buffered bytes as a chunk. Resolves when all batches so far are durable. */
  sync(): Promise<void> {
    if (this.#filled === 0) return this.#put;
    const begin = this.#end - this.#filled;
    const isFull = this.#filled === MAX_SNAPSHOT_CHUNK;
    const value = isFull ? this.#chunk : this.#chunk.slice(0, this.#filled);
    if (isFull) this.#chunk = new Uint8Array(MAX_SNAPSHOT_CHUNK);
    this.#filled = 0;
    const { namespace, freeBytes, meta, number } = this.#options;
    this.#put = this.#put.then(async () => {
      // If writing a snapshot fails, the database becomes unusable for the log that it also
      // contains. So check for room before writing.
      if (!(await hasRoom(freeBytes))) throw diskFull();
      await namespace.write([
        { type: 'put', key: chunkKey(number, begin), value },
        { type: 'put', key: infoKey(number), value: encodeInfo(number, { meta, bytes: undefined }) },
      ]);
    });
    return this.#put;
  }

  async finish({ bytes }: SnapshotInfo, replaced: number | undefined): Promise<number> {
    const { namespace, meta, number } = this.#options;
    await this.sync();
    const operations: Operation[] = [{ type: 'put', key: infoKey(number), value: encodeInfo(number, { meta, bytes }) }];
    if (replaced !== undefined) operations.push({ type: 'del', key: infoKey(replaced) });
    await namespace.write(operations);
    return number;
  }

  async close(): Promise<void> {}
}
