import type { SnapshotInfo, SnapshotMeta, SnapshotWriter } from '@kontiki/core';
import { WriterCalls } from '@kontiki/core/store';
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
  readonly #calls: WriterCalls;
  /** The last put, one after the other: nobody says in which order a database carries out two at a time. */
  #put: Promise<void> = Promise.resolve();

  constructor(options: WriterOptions, checker: SnapshotChecker = new SnapshotChecker(options.meta)) {
    const { meta, room, number, ended } = options;
    this.#options = options;
    this.#checker = checker;
    this.#calls = new WriterCalls({
      id: meta.id,
      failure: (error) => writeFailure(`snapshot ${meta.id} in ${room.where}`, error),
      forget: async () => {
        // What cannot be taken away, the next start takes away.
        await forget(room, number).catch(() => {});
        ended(undefined);
      },
    });
  }

  get offset(): number {
    return this.#checker.offset;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#calls.run(async () => {
      this.#checker.write(bytes);
      for (let at = 0; at < bytes.length;) {
        const piece = bytes.subarray(at, at + MAX_SNAPSHOT_CHUNK - this.#filled);
        this.#chunk.set(piece, this.#filled);
        this.#filled += piece.length;
        at += piece.length;
        if (this.#filled === MAX_SNAPSHOT_CHUNK) await this.#putChunk(this.offset - (bytes.length - at));
      }
    });
  }

  sync(): Promise<void> {
    return this.#calls.run(() => this.#putChunk(this.offset));
  }

  finish(): Promise<SnapshotInfo> {
    return this.#calls.run(async () => {
      const { meta, number, room, replaces, ended } = this.#options;
      const { bytes } = this.#checker.end();
      await this.#putChunk(bytes);
      const value = encodeInfo(number, { meta, bytes });
      await room.write([{ type: 'put', key: infoKey(number), value }, ...replaces()]);
      const info = { ...meta, bytes };
      this.#calls.finished();
      ended(info);
      return info;
    });
  }

  abort(): Promise<void> {
    return this.#calls.abort();
  }

  /** The store closes: what is written stays. Resolves when nothing is under way any more. */
  detach(): Promise<void> {
    return this.#calls.detach(notOpen());
  }

  /** Makes what has come durable, behind what is being put already. `end`: the offset behind it. */
  #putChunk(end: number): Promise<void> {
    if (this.#filled === 0) return this.#put;
    const { room, meta, number } = this.#options;
    const begin = end - this.#filled;
    const full = this.#filled === MAX_SNAPSHOT_CHUNK;
    const value = full ? this.#chunk : this.#chunk.slice(0, this.#filled);
    if (full) this.#chunk = new Uint8Array(MAX_SNAPSHOT_CHUNK);
    this.#filled = 0;
    this.#put = this.#put.then(() =>
      room.write([
        { type: 'put', key: chunkKey(number, begin), value },
        { type: 'put', key: infoKey(number), value: encodeInfo(number, { meta, bytes: undefined }) },
      ]),
    );
    return this.#put;
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
