import type { Clock } from '../../ports/clock.js';

/** Maximum number of promises that settle in one turn of the event loop. */
const MAX_PER_TURN = 256;

/** A promise that has not settled yet, although its outcome is known. */
export interface Settlement {
  /** Resolves or rejects the promise. */
  settle(): void;
}

/**
 * Settles promises in call order, and limits how many of them settle in one turn of the event loop.
 * One entry or one deadline may settle thousands of calls. If the code of all these callers ran in
 * one turn, it would delay messages and timers.
 */
export class Settlements {
  readonly #clock: Clock;
  #waiting: Settlement[] = [];
  /** Number of settlements since the last pause. */
  #ran = 0;
  #isPaced = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Settles a promise now, or in a later turn of the event loop. */
  add(settlement: Settlement): void {
    if (!this.#isPaced) return settlement.settle();
    if (this.#ran === MAX_PER_TURN) {
      this.#waiting.push(settlement);
      if (this.#waiting.length === 1) this.#clock.defer(() => this.#continue());
      return;
    }
    // The callback runs as soon as the current code has finished. So the count includes only the
    // settlements that the current code caused.
    if (this.#ran === 0) void Promise.resolve().then(() => this.#reset());
    this.#ran += 1;
    settlement.settle();
  }

  /** Runs all waiting settlements now. Later settlements run immediately. */
  flush(): void {
    this.#isPaced = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const settlement of waiting) settlement.settle();
  }

  #reset(): void {
    if (this.#waiting.length === 0) this.#ran = 0;
  }

  #continue(): void {
    for (const settlement of this.#waiting.splice(0, MAX_PER_TURN)) settlement.settle();
    if (this.#waiting.length > 0) this.#clock.defer(() => this.#continue());
    else this.#ran = 0;
  }
}
