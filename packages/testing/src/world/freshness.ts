import type { InvariantChecker } from './invariant-checker.js';

/** Watches that no read misses what was known before it began. */
export class Freshness {
  /** Everything up to here was acknowledged to somebody, or seen by a read. */
  floor = 0;
  readonly #invariants: InvariantChecker;

  constructor(invariants: InvariantChecker) {
    this.#invariants = invariants;
  }

  acknowledged(index: number): void {
    this.floor = Math.max(this.floor, index);
  }

  /** A read saw everything up to `applied`; `floor` was the floor when it began. */
  read(applied: number, floor: number): void {
    this.#invariants.check(
      'readsAreFresh',
      applied >= floor,
      () => `a read saw ${applied}, and ${floor} was known before it began`,
    );
    this.floor = Math.max(this.floor, applied);
  }
}
