/** An open file. After a failed `write`, `writeAsync`, `datasync` or `allocate` nothing may be concluded about its contents. */
export interface File {
  /** Bytes it has now. */
  size(): Promise<number>;
  /** Writes all of `bytes` at `offset`, growing the file as needed. Synchronous: it takes microseconds, and durable only with `datasync`. */
  write(bytes: Uint8Array, offset: number): void;
  /** As `write`, beside the calling thread: for what takes longer than microseconds. `bytes` must not change, nor the file be closed, until it has ended. */
  writeAsync(bytes: Uint8Array, offset: number): Promise<void>;
  /** Resolves when everything written before the call is durable. A failed one must never be tried again: the system may have dropped what it could not write. */
  datasync(): Promise<void>;
  /** Bytes from `offset` on, `length` at the most; fewer at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Fills the file with zeros up to `size`, in slices, and makes them durable: a full disk shows itself here. */
  allocate(size: number): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** A lock on a folder, held until it is released or the process dies, however it dies. */
export interface Lock {
  release(): Promise<void>;
}

/** A folder whose files a store owns. Names are plain, without a slash. */
export interface Folder {
  /** Where it is, for people. */
  readonly path: string;
  /** The names in it. */
  list(): Promise<string[]>;
  /** Opens a file that is there. */
  open(name: string): Promise<File>;
  /** Makes a file that is not there yet, readable by its owner only. Its name is durable only with `sync`. */
  create(name: string): Promise<File>;
  /** Atomic: the file is found under one of the names, and replaces what had the new one. Durable only with `sync`. */
  rename(from: string, to: string): Promise<void>;
  /** No error if it is not there. */
  remove(name: string): Promise<void>;
  /** Resolves when the names in the folder are durable. */
  sync(): Promise<void>;
  /**
   * Keeps every other process out of the folder. Within this process several uses of different names share it; the
   * same use twice is refused. Rejects with a `FolderLockedError`.
   */
  lock(use: string): Promise<Lock>;
}

/** Somebody else uses the folder. */
export class FolderLockedError extends Error {
  readonly code = 'KONTIKI_LOCKED';

  constructor(message: string) {
    super(message);
    this.name = 'FolderLockedError';
  }
}
