/** Numbers that look random and are drawn from a seed (mulberry32): the same seed gives the same ones. */
export class Random {
  #state: number;

  /** `stream` tells apart generators of one seed, so that drawing from one doesn't shift another. */
  constructor(seed: number, stream = '') {
    // FNV-1a over the name, begun from the seed; one round of mixing keeps neighbouring seeds apart.
    let hash = Math.imul(seed ^ 0x811c9dc5, 0x9e3779b1);
    for (let i = 0; i < stream.length; i += 1) hash = Math.imul(hash ^ stream.charCodeAt(i), 0x01000193);
    this.#state = (hash ^ (hash >>> 15)) >>> 0;
  }

  /** Uniform in [0, 1). */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };

  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** An integer in [0, end). */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('There is nothing to pick from.');
    return list[this.below(list.length)] as T;
  }
}
