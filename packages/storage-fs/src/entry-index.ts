import type { Entry } from '@kontiki/core';
import type { Segment } from './segment.js';

/** Approximate bytes of a segment that one run covers. Reading one entry reads a whole run. */
const RUN_BYTES = 64 * 1024;

/**
 * The batches from byte `begin` to byte `end` of a segment, which hold the entries `first` to
 * `last`.
 */
export interface Run {
  readonly segment: Segment;
  readonly first: number;
  last: number;
  readonly begin: number;
  end: number;
}

/**
 * Maps the index of an entry to its place in a segment. A run covers many batches, so that the map
 * stays small. Entries that replace a suffix begin a new run.
 */
export class EntryIndex {
  #runs: Run[] = [];

  /** Adds a batch with `entries`, which replace everything from their first index on. */
  add(segment: Segment, begin: number, end: number, entries: readonly Entry[]): void {
    const [first, last] = [entries[0], entries.at(-1)];
    if (first === undefined || last === undefined) return;
    const hasReplaced = this.#truncate(first.index);
    const run = this.#runs.at(-1);
    const continues =
      !hasReplaced && run?.segment === segment && run.last === first.index - 1 && run.end - run.begin < RUN_BYTES;
    if (run !== undefined && continues) {
      run.last = last.index;
      run.end = end;
    } else this.#runs.push({ segment, first: first.index, last: last.index, begin, end });
  }

  /** Returns the run that holds an entry. */
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

  /** Whether no earlier segment holds an entry. */
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

  /** Removes everything from an index on. Returns whether there was anything. */
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
