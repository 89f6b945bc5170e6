import type { Entry } from '@kontiki/core';
import type { Segment } from './segment.js';

/** Bytes of a segment that one run covers, about: what one read of an entry costs. */
const RUN_BYTES = 64 * 1024;

/** Entries `first` to `last` stand in the batches from byte `begin` to `end` of a segment. */
export interface Run {
  readonly segment: Segment;
  readonly first: number;
  last: number;
  readonly begin: number;
  end: number;
}

/** Where entries stand. A run covers many batches, so that the index stays small; a replaced suffix begins a new run. */
export class EntryIndex {
  #runs: Run[] = [];

  /** A batch at `begin` to `end` holds `entries`, which replace everything from their first index on. */
  add(segment: Segment, begin: number, end: number, entries: readonly Entry[]): void {
    const [first, last] = [entries[0], entries.at(-1)];
    if (first === undefined || last === undefined) return;
    const replaces = this.#cut(first.index);
    const run = this.#runs.at(-1);
    const continues =
      !replaces && run?.segment === segment && run.last === first.index - 1 && run.end - run.begin < RUN_BYTES;
    if (run !== undefined && continues) {
      run.last = last.index;
      run.end = end;
    } else this.#runs.push({ segment, first: first.index, last: last.index, begin, end });
  }

  /** The run that holds an entry. */
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

  /** Whether no entry stands in a segment before this one. */
  isEmptyBefore({ sequence }: Segment): boolean {
    return this.#runs.every(({ segment }) => segment.sequence >= sequence);
  }

  /** Forgets runs that end at or before an index. */
  compact(index: number): void {
    this.#runs = this.#runs.filter((run) => run.last > index);
  }

  clear(): void {
    this.#runs = [];
  }

  /** Everything from an index on stands elsewhere now. Whether there was anything. */
  #cut(index: number): boolean {
    let cut = false;
    for (let run = this.#runs.at(-1); run !== undefined && run.last >= index; run = this.#runs.at(-1)) {
      cut = true;
      if (run.first >= index) this.#runs.pop();
      else run.last = index - 1;
    }
    return cut;
  }
}
