import type { Clock, Timer } from '@kontiki/core';
import type { File, Folder } from '@kontiki/files';

/** Milliseconds between two tries to make room on a full disk. */
const RETRY_MS = 1_000;

/** A file of zeros, made in the background, that becomes the next segment. That there is no room shows itself here, long before a write needs it. */
export class SpareSegment {
  static readonly NAME = 'spare';

  readonly #folder: Folder;
  readonly #bytes: number;
  readonly #clock: Clock;
  readonly #retry: Timer;
  readonly #onFull: (full: boolean) => void;
  #file: Promise<File> | undefined;
  #full = false;
  #closed = false;

  constructor(folder: Folder, bytes: number, clock: Clock, onFull: (full: boolean) => void) {
    this.#folder = folder;
    this.#bytes = bytes;
    this.#onFull = onFull;
    this.#clock = clock;
    this.#retry = clock.timer(() => this.prepare());
  }

  /** Whether the disk had no room at the last try. */
  get full(): boolean {
    return this.#full;
  }

  /** Begins to make the file, unless it is being made or there. */
  prepare(): void {
    if (this.#closed || this.#file !== undefined) return;
    const file = this.#make(this.#bytes);
    this.#file = file;
    file.then(
      () => this.#setFull(false),
      (error: NodeJS.ErrnoException) => {
        const noRoom = error.code === 'ENOSPC' || error.code === 'EDQUOT';
        // Whatever else went wrong is told to the write that needs the file; on a full disk none comes.
        if (!noRoom && !this.#full) return;
        this.#file = undefined;
        this.#setFull(true);
      },
    );
  }

  /** A file of at least `bytes`, under `NAME`; the caller renames it. Rejects when the disk has no room for it. */
  async take(bytes: number): Promise<{ file: File; capacity: number }> {
    this.prepare();
    let file = await (this.#file as Promise<File>);
    let capacity = this.#bytes;
    if (bytes > capacity) {
      await file.close();
      file = await this.#make(bytes);
      capacity = bytes;
    }
    this.#file = undefined;
    return { file, capacity };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retry.close();
    const file = await this.#file?.catch(() => undefined);
    await file?.close();
    await this.#folder.remove(SpareSegment.NAME);
  }

  async #make(bytes: number): Promise<File> {
    await this.#folder.remove(SpareSegment.NAME);
    const file = await this.#folder.create(SpareSegment.NAME);
    try {
      await file.allocate(bytes);
      return file;
    } catch (error) {
      await file.close();
      // What was written of it would keep the disk full.
      await this.#folder.remove(SpareSegment.NAME);
      throw error;
    }
  }

  #setFull(full: boolean): void {
    if (this.#closed) return;
    this.#retry.set(full ? this.#clock.now() + RETRY_MS : Infinity);
    if (full === this.#full) return;
    this.#full = full;
    this.#onFull(full);
  }
}
