import { indexOf, keyOf } from './keys.js';
import type { Room } from './room.js';

/** Indices whose blocks are deleted in one go: what a close waits for at the most. */
const SLICE = 4_096;

/** Deletes at leisure what no start would look at: what is at or below the base, and what was before a reset. What it leaves undone, the next start does. */
export class Sweeper {
  readonly #db: Room['db'];
  readonly #failed: (error: unknown) => void;
  #busy: Promise<void> | undefined;
  #due: { readonly generation: number; readonly base: number } | undefined;
  #closed = false;

  constructor(db: Room['db'], failed: (error: unknown) => void) {
    this.#db = db;
    this.#failed = failed;
  }

  sweep(generation: number, base: number): void {
    this.#due = { generation, base };
    this.#busy ??= this.#run();
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#busy;
  }

  async #run(): Promise<void> {
    try {
      for (let due = this.#due; due !== undefined && !this.#closed; due = this.#due) {
        this.#due = undefined;
        const { generation, base } = due;
        const next = keyOf('block', generation, base + 1);
        // The block that holds the next entry may begin before it.
        const from = keyOf('block', generation, 0);
        const [last] = await this.#db.keys({ gte: from, lte: next, reverse: true, limit: 1 }).all();
        await this.#clear(keyOf('block', 0, 0), last ?? from);
        for (const kind of ['term', 'membership'] as const)
          await this.#clear(keyOf(kind, 0, 0), keyOf(kind, generation, base + 1));
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#busy = undefined;
    }
  }

  /** Slice by slice: each search begins behind what is deleted, which databases are slow to pass over. */
  async #clear(from: Uint8Array, to: Uint8Array): Promise<void> {
    for (let at = from; !this.#closed;) {
      const [first] = await this.#db.keys({ gte: at, lt: to, limit: 1 }).all();
      if (first === undefined) return;
      const index = indexOf(first) ?? 0;
      // A copy: what a database gives may be a Buffer, whose `slice` shares its memory.
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
