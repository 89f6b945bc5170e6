const FIRST = 50;
const MOST = 2_000;

/** Milliseconds before the next try, doubling from 50 to 2,000, each drawn from its upper half so that peers do not try in step. */
export class Backoff {
  #next = FIRST;
  readonly #random: () => number;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  next(): number {
    const delay = this.#next * (0.5 + this.#random() / 2);
    this.#next = Math.min(MOST, this.#next * 2);
    return delay;
  }

  reset(): void {
    this.#next = FIRST;
  }
}
