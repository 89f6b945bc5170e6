import type { Clock, Timer } from '@kontiki/core';
import type { Database, FreeBytes } from './namespace.js';

const MIB = 1024 * 1024;
/**
 * Number of free bytes below which the disk counts as full. A database needs this space to rewrite
 * its files.
 */
const RESERVE = 64 * MIB;
/**
 * Number of free bytes at which a full disk counts as having room again. It is higher than
 * `RESERVE`, so that the state does not keep changing back and forth.
 */
const ENOUGH = 80 * MIB;
/**
 * Number of free bytes below which writes must wait, because a failed write makes a database
 * unusable.
 */
const MINIMUM = 16 * MIB;
/** Time between measurements while the disk is full, in milliseconds. */
const RETRY_MS = 1_000;

/** The part of `globalThis` that can measure disks. It exists only in Node.js. */
interface Runtime {
  readonly process?: {
    getBuiltinModule?(id: 'node:fs'): {
      readonly promises: {
        statfs(path: string): Promise<{ readonly bavail: number; readonly bsize: number }>;
      };
    };
  };
}

/**
 * Returns a function that measures the free space on a database's disk. This works only in Node.js,
 * and only if the database is in a folder.
 */
export function freeBytesOf(database: Database): FreeBytes {
  let root: { readonly parent?: object | null; readonly location?: unknown } = database as never;
  while (root.parent !== null && root.parent !== undefined) root = root.parent;
  const { location } = root;
  const disk = (globalThis as Runtime).process?.getBuiltinModule?.('node:fs').promises;
  if (disk === undefined || typeof location !== 'string') return async () => Infinity;
  return async () => {
    const { bavail, bsize } = await disk.statfs(location);
    return bavail * bsize;
  };
}

/** Returns the number of free bytes. A disk that cannot be measured counts as never full. */
function measured(freeBytes: FreeBytes): Promise<number> {
  return freeBytes().catch(() => Infinity);
}

/** Returns the error for a write to a full disk. */
export function diskFull(): Error {
  return Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
}

/** Returns whether at least `RESERVE` bytes are free on the disk. */
export async function hasRoom(freeBytes: FreeBytes): Promise<boolean> {
  return (await measured(freeBytes)) >= RESERVE;
}

/** Measures the disk of a log, so that a full disk is detected before a write fails. */
export class FreeSpace {
  readonly #freeBytes: FreeBytes;
  readonly #clock: Clock;
  readonly #retry: Timer;
  readonly #onFull: (full: boolean) => void;
  /** Number of free bytes according to the latest measurement. */
  #free = Infinity;
  #isFull = false;
  #isClosed = false;
  /** Resumes the write that is waiting for a measurement. */
  #onMeasured: () => void = () => {};

  /**
   * `onFull` is called with true when the disk counts as full, and with false when it has room
   * again.
   */
  constructor(freeBytes: FreeBytes, clock: Clock, onFull: (full: boolean) => void) {
    this.#freeBytes = freeBytes;
    this.#clock = clock;
    this.#onFull = onFull;
    this.#retry = clock.timer(() => void this.measure());
  }

  /** Measures the disk, then again every second while it is full. */
  async measure(): Promise<void> {
    this.#free = await measured(this.#freeBytes);
    if (this.#isClosed) return;
    const isFull = this.#free < (this.#isFull ? ENOUGH : RESERVE);
    this.#retry.set(isFull ? this.#clock.now() + RETRY_MS : Infinity);
    if (isFull !== this.#isFull) {
      this.#isFull = isFull;
      this.#onFull(isFull);
    }
    this.#onMeasured();
  }

  /** Resolves once there is room for a write. Rejects after `close`. */
  async waitForRoom(): Promise<void> {
    await this.measure();
    while (this.#free < MINIMUM) {
      if (this.#isClosed) throw diskFull();
      await new Promise<void>((resolve) => (this.#onMeasured = resolve));
    }
  }

  /** Stops measuring, and rejects any write that is waiting for room. */
  close(): void {
    this.#isClosed = true;
    this.#retry.close();
    this.#onMeasured();
  }
}
