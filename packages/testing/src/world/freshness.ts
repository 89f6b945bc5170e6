import type { InvariantChecker } from './invariant-checker.js';

/**
 * Checks that reads are linearizable. A read must see every entry that was acknowledged or read
 * before it started.
 */
export class Freshness {
  /** The highest index that a client has read or whose write was acknowledged. */
  floor = 0;
  readonly #invariants: InvariantChecker;

  constructor(invariants: InvariantChecker) {
    this.#invariants = invariants;
  }

  acknowledged(index: number): void {
    this.floor = Math.max(this.floor, index);
  }

  /**
   * Called when a read has seen the state at index `applied`. `floor` is the value that
   * `this.floor` had when the read started.
   */
  read(applied: number, floor: number): void {
    this.#invariants.check(
      'readsAreFresh',
      applied >= floor,
      () => `a read saw the state at ${applied}, but ${floor} was acknowledged or read before it started`,
    );
    this.floor = Math.max(this.floor, applied);
  }
}
