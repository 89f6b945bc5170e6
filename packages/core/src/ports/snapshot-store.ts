import type { SnapshotMeta } from '../log/snapshot-meta.js';
import type { Owner } from './log-store.js';

export type { SnapshotMeta };

/** A snapshot that is complete, durable and visible. */
export interface SnapshotInfo extends SnapshotMeta {
  /** Size of its encoding, including head and trailer. */
  readonly bytes: number;
}

/**
 * Writes one snapshot, whose bytes `wire/` has encoded. The caller makes one call at a time, except
 * that a `sync` may run in parallel with later writes. A failure ends this writer but not the
 * store: the store discards everything written, and later calls fail with the same error. Rejects
 * with `KONTIKI_DISK_FULL` if there is no room, `KONTIKI_CORRUPT` if the bytes are not a complete
 * snapshot that matches its meta, and `KONTIKI_STORE_FAILED` otherwise.
 */
export interface SnapshotWriter {
  /**
   * Bytes that the store holds already. The next `write` continues from here. At first these bytes
   * are durable.
   */
  readonly offset: number;
  /**
   * Resolves when the store accepts more. The bytes are durable only after `sync` or `finish`. A
   * later call may report that these bytes could not be written, or are damaged. `bytes` must not
   * change later.
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Resolves when everything written before this call is durable, so that a writer of the same id
   * can resume there after a crash.
   */
  sync(): Promise<void>;
  /** Resolves when the snapshot is durable and visible. */
  finish(): Promise<SnapshotInfo>;
  /** Discards everything written. Idempotent. Has no effect after `finish`. */
  abort(): Promise<void>;
}

/**
 * The snapshots of one server: bytes that `wire/` has encoded. A full disk (`KONTIKI_DISK_FULL`)
 * fails a writer but not the store. After a crash, finished snapshots are there and removed ones
 * are not. Of an unfinished snapshot, a prefix of the written bytes is left, which contains
 * everything that was synced. Before `open` and after `close`, calls fail with `KONTIKI_CLOSED`.
 */
export interface SnapshotStore {
  /**
   * Opens the store, or creates it, and removes useless leftovers of a crash. May be called again
   * after `close`. Rejects with `KONTIKI_FOREIGN_DATA` for another owner's data, and with
   * `KONTIKI_LOCKED` if it is open already. When it rejects, it has released whatever it had opened.
   */
  open(owner: Owner): Promise<void>;
  /**
   * Resolves with the complete snapshots, newest (highest `last.index`) first. Does not read them
   * through, so one may be damaged.
   */
  list(): Promise<readonly SnapshotInfo[]>;
  /**
   * Returns the bytes from `offset` on, in chunks of at most 256 KiB. Callers keep the chunks, so
   * the store must not reuse their memory. From the first chunk until the end, or until the
   * iterator is returned, reading continues even if the snapshot is removed. Throws
   * `KONTIKI_NO_SNAPSHOT` if there is no snapshot of this id.
   */
  read(id: string, offset?: number): AsyncIterable<Uint8Array>;
  /**
   * Creates a snapshot, or resumes the unfinished one of this id. Discards unfinished snapshots of
   * other ids, except for those that are being written. If a finished snapshot of this id exists,
   * it is written again and replaced when the new one is finished. Rejects with `KONTIKI_LOCKED` if
   * this id is being written, `KONTIKI_PROTOCOL` if `meta` is invalid, and `KONTIKI_FOREIGN_DATA`
   * if it is another cluster's.
   */
  create(meta: SnapshotMeta): Promise<SnapshotWriter>;
  /** Resolves when the snapshot is removed for good, or if there is none of this id. */
  remove(id: string): Promise<void>;
  /**
   * Waits for the calls in progress, then releases everything. Unfinished snapshots stay and can be
   * resumed. Idempotent.
   */
  close(): Promise<void>;
}
