import { invariant } from '../invariant.js';
import type { Position } from './entry.js';

/**
 * The term at every index from the base to the last entry of a log. The history is stored as runs
 * of entries with the same term. A run records its term and its first index. Even a log of millions
 * of entries has at most one run per election, so the history fits in memory.
 */
export class TermHistory {
  /** Runs in ascending order of index and of term. The first run starts at the base. */
  #runs: Position[];

  constructor(base: Position, starts: readonly Position[]) {
    this.#runs = [{ index: base.index, term: base.term }];
    for (const { index, term } of starts) this.extend(index, term);
  }

  get lastTerm(): number {
    return this.#run(this.#runs.length - 1).term;
  }

  /** Records that an entry of `term` has been appended at `index`. */
  extend(index: number, term: number): void {
    const lastTerm = this.lastTerm;
    if (term === lastTerm) return;
    invariant(term > lastTerm, () => `entry ${index} of term ${term} cannot follow an entry of term ${lastTerm}`);
    this.#runs.push({ index, term });
  }

  /** Discards the history from `index` on. */
  truncate(index: number): void {
    while (this.#runs.length > 1 && this.#run(this.#runs.length - 1).index >= index) this.#runs.pop();
  }

  /** Discards the history before `base`, which becomes its new start. */
  compact(base: Position): void {
    const kept = this.#runs.filter(({ index }) => index > base.index);
    this.#runs = [{ index: base.index, term: base.term }, ...kept];
  }

  /** Discards the history except for `base`. */
  reset(base: Position): void {
    this.#runs = [{ index: base.index, term: base.term }];
  }

  /**
   * Returns the term at an index. The index must not be before the base, and the caller must check
   * that it is not after the last entry.
   */
  at(index: number): number {
    return this.#run(this.#find(index)).term;
  }

  /**
   * Returns the last position at or before `index` whose term is at most `term`. If another log has
   * `term` at `index` and this log does not, the logs cannot match after the returned position.
   * With this conflict hint, a leader needs at most one probe per term (Raft §5.3).
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

  /** Returns the last run that starts at or before `index`. */
  #find(index: number): number {
    let low = 0;
    let high = this.#runs.length - 1;
    invariant(index >= this.#run(0).index, () => `the term of compacted index ${index} was requested`);
    if (index >= this.#run(high).index) return high;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#run(middle).index <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
