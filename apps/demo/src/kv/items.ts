/** A value and the log index of the command that wrote the value. */
export interface Item {
  readonly value: Uint8Array;
  readonly revision: number;
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
  /** Position up to which all items have been yielded. */
  yielded: number;
  /**
   * Old versions, by key, of the items that changed after the start and have not been yielded yet.
   */
  readonly saved: Map<string, PositionedItem>;
}

/**
 * A map of items that can change while a snapshot of it is being read. When an item changes before
 * an iteration reaches it, its old version is saved for the iteration. Nothing else is copied.
 */
export class Items {
  readonly #map = new Map<string, PositionedItem>();
  readonly #iterations = new Set<Iteration>();
  #lastPosition = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: string): Item | undefined {
    return this.#map.get(key);
  }

  set(key: string, { value, revision }: Item): void {
    const current = this.#saveForIterations(key);
    this.#map.set(key, { value, revision, position: current?.position ?? (this.#lastPosition += 1) });
  }

  /** Deletes a key. Returns whether the key existed. */
  delete(key: string): boolean {
    this.#saveForIterations(key);
    return this.#map.delete(key);
  }

  [Symbol.iterator](): IterableIterator<[string, Item]> {
    return this.#map.entries();
  }

  /**
   * Yields all items as they are when the first item is requested. Later changes are not visible.
   */
  *snapshot(): Generator<[string, Item], void> {
    const iteration: Iteration = { end: this.#lastPosition, yielded: 0, saved: new Map() };
    this.#iterations.add(iteration);
    try {
      for (const [key, item] of this.#map) {
        if (item.position > iteration.end) break;
        iteration.yielded = item.position;
        const saved = iteration.saved.get(key);
        if (saved !== undefined) iteration.saved.delete(key);
        yield [key, saved ?? item];
      }
      // The remaining saved items were deleted before the iteration reached them.
      yield* iteration.saved;
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
