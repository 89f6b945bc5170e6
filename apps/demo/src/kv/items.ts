import { Expiries } from './expiries.js';

/** A value and the log index of the command that wrote the value. */
export interface Item {
  readonly value: Uint8Array;
  readonly revision: number;
  /** The log time in milliseconds at which the key expires. Undefined if the key is permanent. */
  readonly expiry?: number | undefined;
}

/** An item with its position in insertion order. A key keeps its position when it is set again. */
interface PositionedItem extends Item {
  readonly position: number;
}

/** State of one iteration over a snapshot of the items. */
interface Iteration {
  /**
   * Last position at the start of the iteration. Items at later positions are newer and not part of
   * the iteration.
   */
  readonly end: number;
  /** Log time at the start of the iteration. */
  readonly time: number;
  /** Position up to which all items have been yielded. */
  yielded: number;
  /**
   * Old versions, by key, of the items that changed after the start and have not been yielded yet.
   */
  readonly saved: Map<string, PositionedItem>;
}

/** Maximum number of expired items to remove at once. Removing them takes a few milliseconds. */
const MAX_REMOVED = 1_000;

/**
 * An expired item counts as absent, even if it is still in memory. So the time of its removal does
 * not matter.
 */
export class Items {
  readonly #map = new Map<string, PositionedItem>();
  readonly #expiries = new Expiries();
  readonly #iterations = new Set<Iteration>();
  #lastPosition = 0;
  #time = 0;

  /** The number of items in memory. */
  get size(): number {
    return this.#map.size;
  }

  /**
   * The log time at which the next item expires, or at which more expired items are removed.
   * Undefined if all items are permanent.
   */
  get nextExpiry(): number | undefined {
    const { first } = this.#expiries;
    return first === undefined ? undefined : Math.max(first.expiry, this.#time + 1);
  }

  /** Sets the log time. */
  advance(time: number): void {
    this.#time = Math.max(time, this.#time);
  }

  /** Removes expired items from memory, at most `MAX_REMOVED` per call. */
  removeExpired(): void {
    for (let left = MAX_REMOVED; left > 0; left -= 1) {
      const { first } = this.#expiries;
      if (first === undefined || first.expiry > this.#time) return;
      this.delete(first.key);
    }
  }

  get(key: string): Item | undefined {
    const item = this.#map.get(key);
    return item !== undefined && isLive(item, this.#time) ? item : undefined;
  }

  set(key: string, { value, revision, expiry }: Item): void {
    const current = this.#saveForIterations(key);
    // Setting an expired key creates a new item, so the key gets a new position.
    const keepsPosition = current !== undefined && isLive(current, this.#time);
    if (!keepsPosition) this.#map.delete(key);
    const position = keepsPosition ? current.position : (this.#lastPosition += 1);
    this.#map.set(key, { value, revision, expiry, position });
    this.#expiries.set(key, expiry);
  }

  /** Deletes a key. Returns whether the key existed. */
  delete(key: string): boolean {
    const existed = this.get(key) !== undefined;
    this.#saveForIterations(key);
    this.#expiries.delete(key);
    this.#map.delete(key);
    return existed;
  }

  *[Symbol.iterator](): Generator<[string, Item], void> {
    for (const entry of this.#map) if (isLive(entry[1], this.#time)) yield entry;
  }

  /**
   * Yields all items as they are when the first item is requested. Later changes are not visible.
   */
  *snapshot(): Generator<[string, Item], void> {
    const iteration: Iteration = { end: this.#lastPosition, time: this.#time, yielded: 0, saved: new Map() };
    this.#iterations.add(iteration);
    try {
      for (const [key, item] of this.#map) {
        if (item.position > iteration.end) break;
        iteration.yielded = item.position;
        const saved = iteration.saved.get(key);
        if (saved !== undefined) iteration.saved.delete(key);
        if (isLive(saved ?? item, iteration.time)) yield [key, saved ?? item];
      }
      // The remaining saved items were deleted before the iteration reached them.
      for (const entry of iteration.saved) if (isLive(entry[1], iteration.time)) yield entry;
    } finally {
      this.#iterations.delete(iteration);
    }
  }

  /**
   * Called before a key changes. Saves the key's item for every iteration that has not yielded the
   * item yet. Returns the item.
   */
  #saveForIterations(key: string): PositionedItem | undefined {
    const current = this.#map.get(key);
    if (current === undefined) return undefined;
    for (const { yielded, end, saved } of this.#iterations) {
      if (current.position > yielded && current.position <= end && !saved.has(key)) saved.set(key, current);
    }
    return current;
  }
}

function isLive({ expiry }: Item, time: number): boolean {
  return expiry === undefined || expiry > time;
}
