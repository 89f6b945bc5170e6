import { invariant } from '../invariant.js';
import { entryBytes, type Entry } from './entry.js';

/** A run of entries taken from memory, and what they count as. */
export interface Slice {
  readonly entries: readonly Entry[];
  readonly bytes: number;
}

/** The newest entries of the log, in memory. What has left it is read back from the store, in pages. */
export class Tail {
  #entries: (Entry | undefined)[] = [];
  /** Entries before this offset have left; the array is cut when they are many, and half of it. */
  #head = 0;
  /** Index of the entry at `#head`. */
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
    invariant(entry.index === this.next, () => `entry ${entry.index} was to stand at ${this.next}`);
    this.#entries.push(entry);
    this.#bytes += entryBytes(entry);
  }

  /** Forgets everything from `index` on. What lies before the first entry held is the store's. */
  truncate(index: number): void {
    while (this.next > index && this.next > this.#first) {
      const entry = this.#entries.pop();
      if (entry !== undefined) this.#bytes -= entryBytes(entry);
    }
    if (index < this.#first) this.#first = index;
  }

  at(index: number): Entry | undefined {
    return index < this.#first ? undefined : this.#entries[this.#head + index - this.#first];
  }

  /** The entries from `from` to `to` that fit into `maxBytes`, at least one; undefined when `from` is not held. */
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

  /** Lets entries at or below `index` go, oldest first, until no more than `maxBytes` are held. */
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
