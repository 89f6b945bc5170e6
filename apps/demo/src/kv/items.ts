/** A value and the log index that wrote it. */
export interface Item {
  readonly value: Uint8Array;
  readonly revision: number;
}

/** Where an item stands among all, in the order in which a map gives them: a key that is set anew keeps its place. */
interface Placed extends Item {
  readonly place: number;
}

/** Somebody who reads all items as they were when he began. */
interface Walk {
  /** The last place there was. */
  readonly end: number;
  /** Everything up to this place was given. */
  passed: number;
  /** Of what has changed since, and was not given yet, what it was. */
  readonly kept: Map<string, Placed>;
}

/**
 * Items by key that go on changing while they are read as they were: nothing is copied for that but references to those
 * that change before the reader comes to them.
 */
export class Items {
  readonly #map = new Map<string, Placed>();
  readonly #walks = new Set<Walk>();
  #places = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: string): Item | undefined {
    return this.#map.get(key);
  }

  set(key: string, { value, revision }: Item): void {
    const held = this.#keep(key);
    this.#map.set(key, { value, revision, place: held?.place ?? (this.#places += 1) });
  }

  /** Whether it was there. */
  delete(key: string): boolean {
    this.#keep(key);
    return this.#map.delete(key);
  }

  [Symbol.iterator](): IterableIterator<[string, Item]> {
    return this.#map.entries();
  }

  /** All items as they are when the first one is asked for, whatever changes while the others are. */
  *walk(): Generator<[string, Item], void> {
    const walk: Walk = { end: this.#places, passed: 0, kept: new Map() };
    this.#walks.add(walk);
    try {
      for (const [key, item] of this.#map) {
        if (item.place > walk.end) break;
        walk.passed = item.place;
        const kept = walk.kept.get(key);
        if (kept !== undefined) walk.kept.delete(key);
        yield [key, kept ?? item];
      }
      // What was deleted.
      yield* walk.kept;
    } finally {
      this.#walks.delete(walk);
    }
  }

  /** Before a key changes: whoever has not come to it yet will be given what it is now. */
  #keep(key: string): Placed | undefined {
    const held = this.#map.get(key);
    if (held === undefined) return undefined;
    for (const { passed, end, kept } of this.#walks) {
      if (held.place > passed && held.place <= end && !kept.has(key)) kept.set(key, held);
    }
    return held;
  }
}
