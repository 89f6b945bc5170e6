import { invariant } from '../invariant.js';
import { entryBytes, type Entry } from './entry.js';

/** Consecutive entries from memory, and their size in bytes as counted toward limits. */
export interface Slice {
  readonly entries: readonly Entry[];
  readonly bytes: number;
}

/**
 * The tail of the log: the newest entries, which are kept in memory. The leader sends entries from
 * the tail to peers that are nearly up to date. The state machine usually applies entries from the
 * tail, too. When the tail exceeds its size limit, it evicts its oldest committed and durable
 * entries. Evicted entries are read from the store in pages.
 */
export class Tail {
  #entries: (Entry | undefined)[] = [];
  /**
   * Array offset of the oldest entry in memory. The evicted entries before this offset are removed
   * in bulk once they are numerous and fill more than half of the array.
   */
  #head = 0;
  /** The index of the oldest entry in memory, which is at array offset `#head`. */
  #first: number;
  #bytes = 0;

  constructor(next: number) {
    this.#first = next;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get next(): number {
    return this.#first + this.#entries.length - this.#head;
  }

  push(entry: Entry): void {
    invariant(entry.index === this.next, () => `entry ${entry.index} cannot be stored at ${this.next}`);
    this.#entries.push(entry);
    this.#bytes += entryBytes(entry);
  }

  /** Discards all entries from `index` on. */
  truncate(index: number): void {
    while (this.next > index && this.next > this.#first) {
      const entry = this.#entries.pop();
      if (entry !== undefined) this.#bytes -= entryBytes(entry);
    }
    if (index < this.#first) this.#first = index;
  }

  /** Discards all entries. The next entry will have index `next`. */
  reset(next: number): void {
    this.#entries = [];
    this.#head = 0;
    this.#first = next;
    this.#bytes = 0;
  }

  at(index: number): Entry | undefined {
    return index < this.#first ? undefined : this.#entries[this.#head + index - this.#first];
  }

  /**
   * Returns the entries from `from` to `to` that fit into `maxBytes`, but at least one. Returns
   * undefined if entry `from` is not in memory.
   */
  slice(from: number, to: number, maxBytes: number): Slice | undefined {
    if (from < this.#first || from > to || to >= this.next) return undefined;
    const begin = this.#head + from - this.#first;
    const limit = this.#head + to - this.#first;
    let end = begin;
    let bytes = 0;
    while (end <= limit) {
      const size = entryBytes(this.#entry(end));
      if (end > begin && bytes + size > maxBytes) break;
      bytes += size;
      end += 1;
    }
    return { entries: this.#entries.slice(begin, end) as Entry[], bytes };
  }

  /** Evicts entries up to `index`, oldest first, until at most `maxBytes` remain. */
  evict(index: number, maxBytes: number): void {
    while (this.#bytes > maxBytes && this.#first <= index && this.#first < this.next) {
      this.#bytes -= entryBytes(this.#entry(this.#head));
      this.#entries[this.#head] = undefined;
      this.#head += 1;
      this.#first += 1;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  #entry(offset: number): Entry {
    const entry = this.#entries[offset];
    invariant(entry !== undefined, () => `the log's tail has no entry at offset ${offset}`);
    return entry;
  }
}
