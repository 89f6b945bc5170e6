import type { SnapshotMeta } from '../log/snapshot-meta.js';
import type { Owner } from './log-store.js';

export type { SnapshotMeta };

/** A complete and durable snapshot, as returned by `list`. */
export interface SnapshotInfo extends SnapshotMeta {
  /** Size of the encoded snapshot in bytes, including head and trailer. */
  readonly bytes: number;
}

/**
 * Writes the encoded bytes of one snapshot. The caller makes one call at a time, except that a
 * `sync` may run in parallel with later writes. An error ends this writer but not the store. The
 * store then discards the written bytes, and later calls reject with the same error.
 *
 * Calls reject with `KONTIKI_DISK_FULL` if there is no room, and with `KONTIKI_CORRUPT` if the
 * bytes are not a complete snapshot that matches its description. They reject with
 * `KONTIKI_STORE_FAILED` after any other failure.
 */
export interface SnapshotWriter {
  /**
   * Number of bytes written so far, which is the offset of the next `write`. The bytes before the
   * initial offset of a new writer are durable.
   */
  readonly offset: number;
  /**
   * Writes the next bytes. Resolves when the store is ready for more bytes. The bytes are durable
   * only after `sync` or `finish`. A later call may reject because these bytes could not be written
   * or are damaged. The caller must not change `bytes` later.
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Resolves when all bytes written before this call are durable. After a crash, a new writer for
   * the same id can resume from there.
   */
  sync(): Promise<void>;
  /** Completes the snapshot. Resolves when the snapshot is durable and `list` returns it. */
  finish(): Promise<SnapshotInfo>;
  /** Discards all written bytes. Idempotent. Has no effect after `finish`. */
  abort(): Promise<void>;
}

/**
 * Stores the encoded snapshots of one server. A full disk (`KONTIKI_DISK_FULL`) makes a writer
 * fail, but not the store. Finished snapshots survive a crash, and removed snapshots do not
 * reappear. Of an unfinished snapshot, a crash leaves a prefix of the written bytes that includes
 * all synced bytes. Before `open` and after `close`, calls reject with `KONTIKI_CLOSED`.
 */
export interface SnapshotStore {
  /**
   * Opens or creates the store, and removes useless leftovers from a crash. A closed store may be
   * opened again. Rejects with `KONTIKI_FOREIGN_DATA` if the data belongs to another owner, and
   * with `KONTIKI_LOCKED` if the store is already open. Before it rejects, it releases all
   * resources that it opened.
   */
  open(owner: Owner): Promise<void>;
  /**
   * Resolves with the complete snapshots, in descending order of `last.index`. Does not check their
   * contents, so a snapshot may be damaged.
   */
  list(): Promise<readonly SnapshotInfo[]>;
  /**
   * Returns the bytes of a snapshot from `offset` on, in chunks of at most 256 KiB. Callers may
   * keep the chunks, so the store must not reuse their memory. After the first chunk has been
   * returned, the remaining chunks can be read even if the snapshot is removed. Throws
   * `KONTIKI_NO_SNAPSHOT` if there is no snapshot with this id.
   */
  read(id: string, offset?: number): AsyncIterable<Uint8Array>;
  /**
   * Creates a snapshot, or resumes the unfinished snapshot with this id. Discards other unfinished
   * snapshots unless they are being written. A finished snapshot with this id is replaced when the
   * new snapshot is finished. Rejects with `KONTIKI_LOCKED` if this id is already being written,
   * `KONTIKI_PROTOCOL` if `meta` is invalid, and `KONTIKI_FOREIGN_DATA` if `meta` belongs to
   * another cluster.
   */
  create(meta: SnapshotMeta): Promise<SnapshotWriter>;
  /**
   * Removes a snapshot. Resolves when the removal is durable, or if there is no snapshot with this
   * id.
   */
  remove(id: string): Promise<void>;
  /**
   * Waits for the calls in progress, and then releases all resources. Unfinished snapshots are kept
   * and can be resumed. Idempotent.
   */
  close(): Promise<void>;
}
