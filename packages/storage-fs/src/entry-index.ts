import type { Entry } from '@kontiki/core';
import type { Segment } from './segment.js';

/**
 * Approximate number of segment bytes that one run covers. Reading a single entry requires reading
 * its whole run.
 */
const RUN_BYTES = 64 * 1024;

/**
 * Consecutive batches from byte `begin` to byte `end` of a segment. They contain the entries
 * `first` to `last`.
 */
export interface Run {
  readonly segment: Segment;
  readonly first: number;
  last: number;
  readonly begin: number;
  end: number;
}

/**
 * Maps an entry's index to the run of batches that contains the entry. A run covers many batches,
 * so the map stays small. Entries that replace a suffix of the log start a new run.
 */
export class EntryIndex {
  #runs: Run[] = [];

  /**
   * Adds a batch with `entries`, which replace all existing entries from the first of these indices
   * on.
   */
  add(segment: Segment, begin: number, end: number, entries: readonly Entry[]): void {
    const [first, last] = [entries[0], entries.at(-1)];
    if (first === undefined || last === undefined) return;
    const hasReplaced = this.#truncate(first.index);
    const run = this.#runs.at(-1);
    const continues = !hasReplaced && run?.segment === segment && run.last === first.index - 1;
    // All records of a batch belong to the same run, because reading one of them requires reading
    // the whole batch.
    if (run !== undefined && continues && (run.end === end || run.end - run.begin < RUN_BYTES)) {
      run.last = last.index;
      run.end = end;
    } else this.#runs.push({ segment, first: first.index, last: last.index, begin, end });
  }

  /** Returns the run that contains an entry, or undefined if there is none. */
  find(index: number): Run | undefined {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#runs[middle] as Run).first <= index) low = middle;
      else high = middle - 1;
    }
    const run = this.#runs[low];
    return run !== undefined && run.first <= index && index <= run.last ? run : undefined;
  }

  /** Returns whether no entry of the log is in a segment before this one. */
  isEmptyBefore({ sequence }: Segment): boolean {
    return this.#runs.every(({ segment }) => segment.sequence >= sequence);
  }

  /** Removes the runs that end at or before an index. */
  compact(index: number): void {
    this.#runs = this.#runs.filter((run) => run.last > index);
  }

  clear(): void {
    this.#runs = [];
  }

  /** Removes all entries from an index on. Returns whether any entries were removed. */
  #truncate(index: number): boolean {
    let hasRemoved = false;
    for (let run = this.#runs.at(-1); run !== undefined && run.last >= index; run = this.#runs.at(-1)) {
      hasRemoved = true;
      if (run.first >= index) this.#runs.pop();
      else run.last = index - 1;
    }
    return hasRemoved;
  }
}
