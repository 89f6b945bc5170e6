import { invariant } from '../invariant.js';
import type { Position } from './entry.js';

/**
 * The term at every index from the base to the last entry, kept as the first index of each run of one term. A log of
 * millions of entries has as many runs as elections, so it stays in memory when the entries do not.
 */
export class TermHistory {
  /** Ascending in both; the first one is the base. */
  #runs: Position[];

  constructor(base: Position, starts: readonly Position[]) {
    this.#runs = [{ index: base.index, term: base.term }];
    for (const { index, term } of starts) this.extend(index, term);
  }

  get lastTerm(): number {
    return this.#run(this.#runs.length - 1).term;
  }

  /** An entry of `term` now stands at `index`, behind all others. */
  extend(index: number, term: number): void {
    const lastTerm = this.lastTerm;
    if (term === lastTerm) return;
    invariant(term > lastTerm, () => `entry ${index} of term ${term} was to follow one of term ${lastTerm}`);
    this.#runs.push({ index, term });
  }

  /** Forgets everything from `index` on. */
  truncate(index: number): void {
    while (this.#runs.length > 1 && this.#run(this.#runs.length - 1).index >= index) this.#runs.pop();
  }

  /** Forgets everything before `base`, which becomes the first place there is. */
  compact(base: Position): void {
    const kept = this.#runs.filter(({ index }) => index > base.index);
    this.#runs = [{ index: base.index, term: base.term }, ...kept];
  }

  /** Forgets everything but `base`. */
  reset(base: Position): void {
    this.#runs = [{ index: base.index, term: base.term }];
  }

  /** The term at an index from the base on; what lies beyond the last entry is the caller's to know. */
  at(index: number): number {
    return this.#run(this.#find(index)).term;
  }

  /**
   * The last place at or before `index` whose term is not above `term`: where two logs can agree at the most when one
   * holds `term` at `index` and the other doesn't (the conflict hint of Raft §5.3, one probe a term).
   */
  findConflictByTerm(index: number, term: number): Position {
    let at = this.#find(index);
    let end = index;
    while (at > 0 && this.#run(at).term > term) {
      end = this.#run(at).index - 1;
      at -= 1;
    }
    return { index: end, term: this.#run(at).term };
  }

  #run(at: number): Position {
    const run = this.#runs[at];
    invariant(run !== undefined, () => `term history has no run ${at}`);
    return run;
  }

  /** The run that holds `index`: the last one that begins at or before it. */
  #find(index: number): number {
    let low = 0;
    let high = this.#runs.length - 1;
    invariant(index >= this.#run(0).index, () => `the term of compacted index ${index} was asked for`);
    if (index >= this.#run(high).index) return high;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#run(middle).index <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
