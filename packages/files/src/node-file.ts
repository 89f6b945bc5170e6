import { close, fdatasync, fstat, read, readlinkSync, write, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import type { File } from './folder.js';

/** Number of zero bytes per write when allocating a file. */
const SLICE = 1024 * 1024;

const sync = promisify(fdatasync);
const stat = promisify(fstat);

/**
 * Adds a path to the error from a call that takes a file descriptor. Errors from other calls
 * already contain a path.
 */
export function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error) Object.assign(error, { path, message: `${error.message} '${path}'` });
  return error;
}

/**
 * A file on disk. Uses a file descriptor and callbacks, because `fs/promises` costs 50 µs per call.
 */
export class NodeFile implements File {
  readonly #fd: number;
  readonly #path: string;
  #closed: Promise<void> | undefined;

  /** `path` is the path under which the file was opened. */
  constructor(fd: number, path: string) {
    this.#fd = fd;
    this.#path = path;
  }

  async size(): Promise<number> {
    return (await this.#named(stat(this.#fd))).size;
  }

  write(bytes: Uint8Array, offset: number): void {
    // The operating system may write fewer bytes than requested. If the disk is full, the next call
    // reports the error.
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at, bytes.length - at, offset + at);
    } catch (error) {
      throw withPath(error, this.#currentPath);
    }
  }

  async writeAsync(bytes: Uint8Array, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#named(this.#write(bytes, at, offset + at));
  }

  datasync(): Promise<void> {
    return this.#named(sync(this.#fd));
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    // Do not fill the memory with zeros first, because that would take longer than reading bytes
    // that are in the page cache.
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    let at = 0;
    while (at < length) {
      const count = await this.#named(this.#read(bytes, at, offset + at));
      if (count === 0) break;
      at += count;
    }
    return bytes.subarray(0, at);
  }

  async allocate(size: number): Promise<void> {
    const zeros = new Uint8Array(Math.min(SLICE, size));
    for (let at = await this.size(); at < size;) {
      const slice = zeros.subarray(0, Math.min(zeros.length, size - at));
      await this.writeAsync(slice, at);
      at += slice.length;
    }
    await this.datasync();
  }

  close(): Promise<void> {
    this.#closed ??= this.#named(promisify(close)(this.#fd));
    return this.#closed;
  }

  /**
   * The current path of the file. If the file has been renamed, this is its new path on Linux, and
   * its old path elsewhere.
   */
  get #currentPath(): string {
    try {
      return readlinkSync(`/proc/self/fd/${this.#fd}`);
    } catch {
      return this.#path;
    }
  }

  /** Adds the file's path to the error of a failed call. */
  #named<T>(call: Promise<T>): Promise<T> {
    return call.catch((error: unknown) => {
      throw withPath(error, this.#currentPath);
    });
  }

  #read(bytes: Uint8Array, at: number, offset: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#fd, bytes, at, bytes.length - at, offset, (error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  #write(bytes: Uint8Array, at: number, offset: number): Promise<number> {
    return new Promise((resolve, reject) => {
      write(this.#fd, bytes, at, bytes.length - at, offset, (error, count) => (error ? reject(error) : resolve(count)));
    });
  }
}
