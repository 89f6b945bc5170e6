/**
 * A generator of pseudorandom numbers (mulberry32). Generators with the same seed and stream return
 * the same numbers.
 */
export class Random {
  #state: number;

  /**
   * Creates a generator. Streams with different names are independent, even if they have the same
   * seed.
   */
  constructor(seed: number, stream = '') {
    // FNV-1a over the name, starting from the seed. A round of mixing makes adjacent seeds give
    // unrelated numbers.
    let hash = Math.imul(seed ^ 0x811c9dc5, 0x9e3779b1);
    for (let i = 0; i < stream.length; i += 1) hash = Math.imul(hash ^ stream.charCodeAt(i), 0x01000193);
    this.#state = (hash ^ (hash >>> 15)) >>> 0;
  }

  /** Returns a uniformly distributed number in [0, 1). */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  /** Returns true with the given probability. Draws no number if the probability is 0. */
  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** Returns an integer in [0, end). */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  /** Returns a number in [from, to). */
  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  /** Returns an element of a list. Throws a RangeError if the list is empty. */
  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('The list to pick from is empty.');
    return list[this.below(list.length)] as T;
  }
}
