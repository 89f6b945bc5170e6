import type { SnapshotMeta } from '../log/snapshot-meta.js';
import type { Owner } from './log-store.js';

export type { SnapshotMeta };

/** A snapshot that is whole, durable and visible. */
export interface SnapshotInfo extends SnapshotMeta {
  /** Bytes of its encoding, head and trailer included. */
  readonly bytes: number;
}

/**
 * Writes one snapshot, byte by byte as `wire/` encodes it. One call at a time, but for a `sync`, which may go on beside the
 * writes that follow it. What fails, fails this writer and not the store: everything written is forgotten, and later calls
 * fail with the same error. `KONTIKI_DISK_FULL` when there is no room, `KONTIKI_CORRUPT` when the bytes are no whole
 * snapshot of its meta, `KONTIKI_STORE_FAILED` for the rest.
 */
export interface SnapshotWriter {
  /** Bytes that are there already, durable: the next `write` goes on from here. It grows with every write. */
  readonly offset: number;
  /**
   * Resolves when the store takes more; durable only with `sync` or `finish`. That it cannot be written, or is damaged, may
   * be told by a later call. `bytes` must not change any more.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything that was written before it is durable, so that a writer of the same id resumes behind it after a crash. */
  sync(): Promise<void>;
  /** Resolves when the snapshot is durable and visible. */
  finish(): Promise<SnapshotInfo>;
  /** Forgets what was written. Idempotent; no error after `finish`, and without effect then. */
  abort(): Promise<void>;
}

/**
 * The snapshots of one server: bytes, as `wire/` encodes them. A full disk (`KONTIKI_DISK_FULL`) ends a write and not the
 * store. After a crash what was finished is there, what was removed is not, and of what was not finished at most a prefix
 * of what was written, at least what was synced. Before `open` and after `close` calls fail with `KONTIKI_CLOSED`.
 */
export interface SnapshotStore {
  /**
   * Opens, or begins, the store, and forgets what a crash has left of use to nobody. Callable again after `close`.
   * Refuses the data of another owner (`KONTIKI_FOREIGN_DATA`) and what is open already (`KONTIKI_LOCKED`).
   */
  open(owner: Owner): Promise<void>;
  /** Those that are whole as far as can be told without reading all of them, the newest (highest `last.index`) first. */
  list(): Promise<readonly SnapshotInfo[]>;
  /**
   * The bytes from `offset` on, in chunks of at most 256 KiB, which do not change any more: they are kept, and written
   * elsewhere. It is open from the first chunk on, until it ends or is returned: meanwhile it goes on reading a snapshot that
   * is removed. `KONTIKI_NO_SNAPSHOT` when there is none of this id.
   */
  read(id: string, offset?: number): AsyncIterable<Uint8Array>;
  /**
   * Begins a snapshot, or resumes the unfinished one of this id; unfinished ones of other ids are forgotten unless they
   * are being written. `KONTIKI_LOCKED` when this one is. One that is finished is written anew, and replaced when that is.
   * `KONTIKI_PROTOCOL` when no snapshot can be of this meta, `KONTIKI_FOREIGN_DATA` when it is another cluster's.
   */
  create(meta: SnapshotMeta): Promise<SnapshotWriter>;
  /** Resolves when it is gone for good. No error if it is not there. */
  remove(id: string): Promise<void>;
  /** Waits for the calls under way, then lets go of everything; what is being written stays, to be resumed. Idempotent. */
  close(): Promise<void>;
}
