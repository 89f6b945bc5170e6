import type { Clock } from '../../ports/clock.js';

/** Maximum number of promises that settle in one turn of the event loop. */
const MAX_PER_TURN = 256;

/** A promise whose outcome is known. */
export interface Settlement {
  /** Resolves or rejects the promise. */
  settle(): void;
}

/**
 * Settles promises in call order. One entry or one deadline may settle thousands of calls, and the
 * callers' code runs for each before any message or timer. So the others wait for later turns of the
 * event loop.
 */
export class Settlements {
  readonly #clock: Clock;
  #waiting: Settlement[] = [];
  /** Number of settlements that ran since the last pause. */
  #ran = 0;
  #isPaced = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `settle` now, or in a later turn of the event loop. */
  add(settlement: Settlement): void {
    if (!this.#isPaced) return settlement.settle();
    if (this.#ran === MAX_PER_TURN) {
      this.#waiting.push(settlement);
      if (this.#waiting.length === 1) this.#clock.defer(() => this.#continue());
      return;
    }
    // The promise callback runs when the current code has ended, so that only bursts count.
    if (this.#ran === 0) void Promise.resolve().then(() => this.#reset());
    this.#ran += 1;
    settlement.settle();
  }

  /** Runs everything that waits, and everything later without a pause. */
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
