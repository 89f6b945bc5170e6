import type { Clock, Timer } from '@kontiki/core';
import type { File, Folder } from '@kontiki/files';

/** Time between attempts to allocate the file on a full disk, in milliseconds. */
const RETRY_MS = 1_000;

/**
 * A zero-filled file, allocated in the background, that becomes the next segment. This way, a full
 * disk is detected one segment before a write needs the space.
 */
export class SpareSegment {
  static readonly NAME = 'spare';

  readonly #folder: Folder;
  readonly #bytes: number;
  readonly #clock: Clock;
  readonly #retry: Timer;
  readonly #onFull: (full: boolean) => void;
  /** The spare file. The promise resolves when the file is allocated. */
  #file: Promise<File> | undefined;
  #isFull = false;
  #isClosed = false;

  /**
   * `onFull` is called with true when the disk is found to be full, and with false when the disk
   * has space again.
   */
  constructor(folder: Folder, bytes: number, clock: Clock, onFull: (full: boolean) => void) {
    this.#folder = folder;
    this.#bytes = bytes;
    this.#onFull = onFull;
    this.#clock = clock;
    this.#retry = clock.timer(() => this.prepare());
  }

  /** Starts allocating the file, unless there already is a file. */
  prepare(): void {
    if (this.#isClosed || this.#file !== undefined) return;
    const file = this.#allocate(this.#bytes);
    this.#file = file;
    file.then(
      () => this.#setFull(false),
      (error: NodeJS.ErrnoException) => {
        const isDiskFull = error.code === 'ENOSPC' || error.code === 'EDQUOT';
        // Leave any other error to the next write that needs the file, which will report it. While
        // the disk is full, there is no such write, so retry after every error.
        if (!isDiskFull && !this.#isFull) return;
        this.#file = undefined;
        this.#setFull(true);
      },
    );
  }

  /**
   * Returns a file of at least `bytes` bytes. The file's name is `NAME` until the caller renames
   * it. Rejects if the disk is full.
   */
  async take(bytes: number): Promise<{ file: File; capacity: number }> {
    this.prepare();
    let file = await (this.#file as Promise<File>);
    let capacity = this.#bytes;
    if (bytes > capacity) {
      await file.close();
      file = await this.#allocate(bytes);
      capacity = bytes;
    }
    this.#file = undefined;
    return { file, capacity };
  }

  /**
   * Closes the spare file. Never rejects, because the file contains only zeros, and will be removed
   * at the next start.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#retry.close();
    try {
      await (await this.#file)?.close();
      await this.#folder.remove(SpareSegment.NAME);
    } catch {}
  }

  async #allocate(bytes: number): Promise<File> {
    await this.#folder.remove(SpareSegment.NAME);
    const file = await this.#folder.create(SpareSegment.NAME);
    try {
      await file.allocate(bytes);
      return file;
    } catch (error) {
      // Remove the partial file, because it would keep the disk full. Ignore further errors,
      // because the first error is more useful.
      await file.close().catch(() => {});
      await this.#folder.remove(SpareSegment.NAME).catch(() => {});
      throw error;
    }
  }

  #setFull(full: boolean): void {
    if (this.#isClosed) return;
    this.#retry.set(full ? this.#clock.now() + RETRY_MS : Infinity);
    if (full === this.#isFull) return;
    this.#isFull = full;
    this.#onFull(full);
  }
}
