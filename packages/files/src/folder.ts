/**
 * An open file. After a failed `write`, `writeAsync`, `datasync` or `allocate`, its contents are
 * unknown: never try the call again.
 */
export interface File {
  /** Returns the size of the file in bytes. */
  size(): Promise<number>;
  /**
   * Writes all of `bytes` at `offset`, and grows the file if needed. The call is synchronous,
   * because it takes microseconds. The bytes are durable only after `datasync`.
   */
  write(bytes: Uint8Array, offset: number): void;
  /**
   * Writes all of `bytes` as `write` does, but without blocking the thread: for large pieces. Until
   * it resolves, `bytes` must not change and the file must not be closed. A `datasync` that starts
   * before does not cover the bytes.
   */
  writeAsync(bytes: Uint8Array, offset: number): Promise<void>;
  /**
   * Resolves when everything that was written before this call is durable. Never repeat a failed
   * call: the system may have dropped the bytes that it could not write.
   */
  datasync(): Promise<void>;
  /** Reads at most `length` bytes from `offset` on, fewer at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /**
   * Fills the file with zeros up to `size` and makes them durable. Rejects if the disk has no room.
   */
  allocate(size: number): Promise<void>;
  /** Closes the file. Does nothing if it is closed. */
  close(): Promise<void>;
}

/** A lock on a folder. It ends when it is released, or when its process dies in any way. */
export interface Lock {
  release(): Promise<void>;
}

/** A folder with the files of a store. Names of files contain no slash. */
export interface Folder {
  /** The path, for people. */
  readonly path: string;
  /** Returns the names of all files in the folder. */
  list(): Promise<string[]>;
  /** Opens a file that exists. */
  open(name: string): Promise<File>;
  /**
   * Creates a file that does not exist, with access for its owner only. The name is durable only
   * after `sync`.
   */
  create(name: string): Promise<File>;
  /**
   * Renames a file atomically, and replaces the file that has the new name. After a crash the file
   * has one of the two names. The new name is durable only after `sync`.
   */
  rename(from: string, to: string): Promise<void>;
  /**
   * Removes a file. Does nothing if it does not exist. The removal is durable only after `sync`.
   */
  remove(name: string): Promise<void>;
  /** Resolves when all created, renamed and removed names are durable. */
  sync(): Promise<void>;
  /**
   * Locks the folder against all other processes. Uses with different names share the lock within
   * this process. Rejects with a `FolderLockedError` if another process or the same use has the
   * lock.
   */
  lock(use: string): Promise<Lock>;
}

/** The error of `Folder.lock` if the folder is in use. */
export class FolderLockedError extends Error {
  readonly code = 'KONTIKI_LOCKED';

  constructor(message: string) {
    super(message);
    this.name = 'FolderLockedError';
  }
}
