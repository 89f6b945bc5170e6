import { KontikiError, type SnapshotInfo, type SnapshotMeta, type SnapshotWriter } from '@kontiki/core';
import { MAX_SNAPSHOT_CHUNK, SnapshotChecker } from '@kontiki/core/wire';
import { chunkFrom, clearChunks, endOf } from './chunks.js';
import { notOpen, writeFailure } from './failure.js';
import type { Operation, Room } from './room.js';
import { chunkKey, encodeInfo, infoKey } from './snapshot-keys.js';

/** What a writer tells its store, once: `info` when it is finished, nothing when it is forgotten. */
type Ending = (info: SnapshotInfo | undefined) => void;

export interface WriterOptions {
  readonly room: Room;
  readonly meta: SnapshotMeta;
  readonly number: number;
  /** What goes in the batch that makes it visible: the one that it takes the place of. */
  readonly replaces: () => readonly Operation[];
  readonly ended: Ending;
}

/**
 * A snapshot that is being written, chunk by chunk, each synced: a database may take an unsynced batch back even when a
 * later one is durable (LevelDB begins a new file without syncing the one before).
 */
export class LevelWriter implements SnapshotWriter {
  readonly #options: WriterOptions;
  readonly #checker: SnapshotChecker;
  /** What has come behind the last chunk. */
  #chunk = new Uint8Array(MAX_SNAPSHOT_CHUNK);
  #filled = 0;
  /** What every later call is told. */
  #over: unknown;
  /** The call under way. */
  #busy: Promise<unknown> = Promise.resolve();

  constructor(options: WriterOptions, checker: SnapshotChecker = new SnapshotChecker(options.meta)) {
    this.#options = options;
    this.#checker = checker;
  }

  get offset(): number {
    return this.#checker.offset;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#call(async () => {
      this.#checker.write(bytes);
      for (let at = 0; at < bytes.length;) {
        const piece = bytes.subarray(at, at + MAX_SNAPSHOT_CHUNK - this.#filled);
        this.#chunk.set(piece, this.#filled);
        this.#filled += piece.length;
        at += piece.length;
        if (this.#filled === MAX_SNAPSHOT_CHUNK) await this.#put(this.offset - (bytes.length - at));
      }
    });
  }

  sync(): Promise<void> {
    return this.#call(() => this.#put(this.offset));
  }

  finish(): Promise<SnapshotInfo> {
    return this.#call(async () => {
      const { meta, number, room, replaces, ended } = this.#options;
      const { bytes } = this.#checker.end();
      await this.#put(bytes);
      const value = encodeInfo(number, { meta, bytes });
      await room.write([{ type: 'put', key: infoKey(number), value }, ...replaces()]);
      const info = { ...meta, bytes };
      this.#over = new KontikiError('KONTIKI_CLOSED', `Snapshot ${info.id} is finished.`);
      ended(info);
      return info;
    });
  }

  async abort(): Promise<void> {
    if (this.#over !== undefined) return;
    const aborted = new KontikiError('KONTIKI_ABORTED', `Snapshot ${this.#options.meta.id} was given up.`);
    this.#over = aborted;
    // The call under way may have finished it, or forgotten it already.
    this.#busy = this.#busy.then(() => (this.#over === aborted ? this.#forget() : undefined));
    await this.#busy;
  }

  /** The store closes: what is written stays. Resolves when the call under way has ended. */
  async detach(): Promise<void> {
    this.#over ??= notOpen();
    await this.#busy;
  }

  /** Makes what has come durable. `end`: the offset behind it. */
  async #put(end: number): Promise<void> {
    if (this.#filled === 0) return;
    const { room, meta, number } = this.#options;
    const begin = end - this.#filled;
    const full = this.#filled === MAX_SNAPSHOT_CHUNK;
    const value = full ? this.#chunk : this.#chunk.slice(0, this.#filled);
    if (full) this.#chunk = new Uint8Array(MAX_SNAPSHOT_CHUNK);
    this.#filled = 0;
    await room.write([
      { type: 'put', key: chunkKey(number, begin), value },
      { type: 'put', key: infoKey(number), value: encodeInfo(number, { meta, bytes: undefined }) },
    ]);
  }

  #call<T>(run: () => Promise<T>): Promise<T> {
    if (this.#over !== undefined) return Promise.reject(this.#over as Error);
    const { meta, room } = this.#options;
    const call = run().catch(async (error: unknown) => {
      this.#over = writeFailure(`snapshot ${meta.id} in ${room.where}`, error);
      await this.#forget();
      throw this.#over;
    });
    this.#busy = call.catch(() => {});
    return call;
  }

  /** Takes away what is written. What cannot be, the next start takes away. */
  async #forget(): Promise<void> {
    const { room, number, ended } = this.#options;
    await forget(room, number).catch(() => {});
    ended(undefined);
  }
}

/** Takes away a snapshot that nobody reads. */
export async function forget(room: Room, number: number): Promise<void> {
  await room.write([{ type: 'del', key: infoKey(number) }]);
  await clearChunks(room, number);
}

/** What is there of a number, checked; undefined when it is damaged, or another one's. */
export async function resume(room: Room, meta: SnapshotMeta, number: number): Promise<SnapshotChecker | undefined> {
  const checker = new SnapshotChecker(meta);
  const end = await endOf(room, number);
  try {
    while (checker.offset < end) checker.write(await chunkFrom(room, number, checker.offset));
    return checker;
  } catch {
    return undefined;
  }
}
