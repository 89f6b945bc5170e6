/** A key, the log time in milliseconds at which it expires, and its position in the heap. */
interface Slot {
  readonly key: string;
  readonly expiry: number;
  at: number;
}

/**
 * The keys that expire, in a binary heap with the earliest expiry first. A change costs logarithmic
 * time. A key has at most one slot, so keys that are often set again do not fill the memory.
 */
export class Expiries {
  readonly #heap: Slot[] = [];
  readonly #slots = new Map<string, Slot>();

  /** The key that expires first; undefined if no key expires. */
  get first(): Omit<Slot, 'at'> | undefined {
    return this.#heap[0];
  }

  /** Sets when a key expires. `expiry` is undefined if the key does not expire. */
  set(key: string, expiry: number | undefined): void {
    this.delete(key);
    if (expiry === undefined) return;
    const slot = { key, expiry, at: this.#heap.length };
    this.#slots.set(key, slot);
    this.#place(slot);
  }

  delete(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#slots.delete(key);
    const last = this.#heap.pop() as Slot;
    if (last === slot) return;
    // Move the last slot to the position of the deleted slot.
    last.at = slot.at;
    this.#place(last);
  }

  /** Moves a slot from its position up or down until the heap is in order again. */
  #place(slot: Slot): void {
    let { at } = slot;
    for (let parent = this.#up(at); at > 0 && parent.expiry > slot.expiry; parent = this.#up(at)) {
      const free = parent.at;
      this.#put(parent, at);
      at = free;
    }
    for (let child = this.#down(at); child !== undefined && child.expiry < slot.expiry; child = this.#down(at)) {
      const free = child.at;
      this.#put(child, at);
      at = free;
    }
    this.#put(slot, at);
  }

  #put(slot: Slot, at: number): void {
    slot.at = at;
    this.#heap[at] = slot;
  }

  /** Returns the parent of a position above 0. */
  #up(at: number): Slot {
    return this.#heap[(at - 1) >> 1] as Slot;
  }

  /** Returns the child that expires first, or undefined if the position has no child. */
  #down(at: number): Slot | undefined {
    const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]];
    return left !== undefined && right !== undefined && right.expiry < left.expiry ? right : left;
  }
}
