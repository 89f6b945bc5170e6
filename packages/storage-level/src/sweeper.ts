import { indexOf, keyOf } from './keys.js';
import type { Namespace } from './namespace.js';

/** Number of indices that one call deletes. `close` never waits for more than one such call. */
const SLICE = 4_096;

/**
 * Deletes obsolete blocks, terms and memberships in the background. An item is obsolete, and is
 * never read, if it is at or before the base, or if it belongs to an older generation. If the
 * process exits first, the cleanup continues at the next start.
 */
export class Sweeper {
  readonly #db: Namespace['db'];
  readonly #onFailed: (error: unknown) => void;
  #running: Promise<void> | undefined;
  #due: { readonly generation: number; readonly base: number } | undefined;
  #isClosed = false;

  constructor(db: Namespace['db'], onFailed: (error: unknown) => void) {
    this.#db = db;
    this.#onFailed = onFailed;
  }

  sweep(generation: number, base: number): void {
    this.#due = { generation, base };
    this.#running ??= this.#run();
  }

  /** Stops the cleanup and waits for the database call in progress. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      for (let due = this.#due; due !== undefined && !this.#isClosed; due = this.#due) {
        this.#due = undefined;
        const { generation, base } = due;
        const next = keyOf('block', generation, base + 1);
        // The block that contains the first entry after the base may start before the base.
        const from = keyOf('block', generation, 0);
        const [last] = await this.#db.keys({ gte: from, lte: next, reverse: true, limit: 1 }).all();
        await this.#clear(keyOf('block', 0, 0), last ?? from);
        for (const kind of ['term', 'membership'] as const)
          await this.#clear(keyOf(kind, 0, 0), keyOf(kind, generation, base + 1));
      }
    } catch (error) {
      this.#onFailed(error);
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * Deletes a range in slices. Each search starts after the keys that have been deleted so far,
   * because databases skip deleted keys slowly.
   */
  async #clear(from: Uint8Array, to: Uint8Array): Promise<void> {
    for (let at = from; !this.#isClosed;) {
      const [first] = await this.#db.keys({ gte: at, lt: to, limit: 1 }).all();
      if (first === undefined) return;
      const index = indexOf(first) ?? 0;
      // Copy the key. A database may return a Buffer, and `slice` of a Buffer shares its memory.
      const next = new Uint8Array(first);
      next.set(keyOf('block', 0, index + SLICE).subarray(5), 5);
      at = compare(next, to) < 0 ? next : to;
      await this.#db.clear({ gte: first, lt: at });
    }
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const i = a.findIndex((byte, at) => byte !== b[at]);
  return i < 0 ? 0 : (a[i] as number) - (b[i] as number);
}
