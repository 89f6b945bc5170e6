/**
 * An open file. After a failed `write`, `writeAsync`, `datasync` or `allocate`, the contents of the
 * file are unknown. Never retry the failed call.
 */
export interface File {
  /** Returns the size of the file in bytes. */
  size(): Promise<number>;
  /**
   * Writes all of `bytes` at `offset`, extending the file if needed. This method is synchronous,
   * because it takes only microseconds. The bytes are durable only after `datasync`.
   */
  write(bytes: Uint8Array, offset: number): void;
  /**
   * Writes all of `bytes` like `write`, but without blocking the thread. Use it for large writes.
   * Until the promise resolves, `bytes` must not change and the file must not be closed. A
   * `datasync` that starts before then does not cover these bytes.
   */
  writeAsync(bytes: Uint8Array, offset: number): Promise<void>;
  /**
   * Resolves when everything written before this call is durable. Never retry a failed call,
   * because the operating system may have dropped the bytes that it could not write.
   */
  datasync(): Promise<void>;
  /** Reads up to `length` bytes at `offset`. Returns fewer bytes only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /**
   * Fills the file with zeros up to `size` bytes, and makes them durable. Rejects if the disk is
   * full.
   */
  allocate(size: number): Promise<void>;
  /** Closes the file. Does nothing if the file is already closed. */
  close(): Promise<void>;
}

/** A lock on a folder, held until it is released or its process exits for any reason. */
export interface Lock {
  release(): Promise<void>;
}

/** A folder with the files of a store. File names contain no slashes. */
export interface Folder {
  /** The path of the folder, used in messages. */
  readonly path: string;
  /** Returns the names of all files in the folder. */
  list(): Promise<string[]>;
  /** Opens an existing file. */
  open(name: string): Promise<File>;
  /**
   * Creates a file that only its owner can access. Rejects if the file already exists. The name is
   * durable only after `sync`.
   */
  create(name: string): Promise<File>;
  /**
   * Renames a file atomically. An existing file with the new name is replaced. After a crash, the
   * file has either its old or its new name. The new name is durable only after `sync`.
   */
  rename(from: string, to: string): Promise<void>;
  /**
   * Removes a file. Does nothing if the file does not exist. The removal is durable only after
   * `sync`.
   */
  remove(name: string): Promise<void>;
  /**
   * Resolves when all earlier changes to the names in the folder (created, renamed and removed
   * files) are durable.
   */
  sync(): Promise<void>;
  /**
   * Locks the folder against all other processes. Several users in this process share the lock if
   * they pass different names. Rejects with a `FolderLockedError` if the lock is held by another
   * process, or by this process under the same name.
   */
  lock(use: string): Promise<Lock>;
}

/** The error that `Folder.lock` rejects with if the folder is already in use. */
export class FolderLockedError extends Error {
  readonly code = 'KONTIKI_LOCKED';

  constructor(message: string) {
    super(message);
    this.name = 'FolderLockedError';
  }
}
