interface Mark {
  /** The index of the newest entry that this mark covers. */
  index: number;
  /** The time, in milliseconds, at which the oldest entry of this mark was committed. */
  readonly at: number;
  bytes: number;
}

/**
 * Period that one mark covers, in milliseconds. Entries committed within this period share a mark,
 * which keeps the number of marks small.
 */
const RESOLUTION_MS = 10;

/**
 * Tracks the entries that a leader has committed but its state machine has not yet applied. Stores
 * their total size in bytes, and the age of the oldest one. If the state machine cannot keep up
 * with the proposals, the leader must refuse some of them early. Otherwise, each caller would wait
 * longer than the one before, until all calls timed out.
 */
export class ApplyBacklog {
  /**
   * Marks in ascending order of index. Each mark covers entries that were committed at about the
   * same time.
   */
  #marks: Mark[] = [];
  #bytes = 0;

  /** Total size of the unapplied entries in bytes, rounded up to whole marks. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Returns the time in milliseconds since the oldest unapplied entry was committed, or 0 if every
   * entry has been applied.
   */
  age(now: number): number {
    const [oldest] = this.#marks;
    return oldest === undefined ? 0 : now - oldest.at;
  }

  /**
   * Records that new entries with a total size of `bytes` have been committed. `index` is the index
   * of the last of these entries.
   */
  committed(index: number, bytes: number, now: number): void {
    const newest = this.#marks.at(-1);
    if (newest !== undefined && now - newest.at < RESOLUTION_MS) {
      newest.index = index;
      newest.bytes += bytes;
    } else this.#marks.push({ index, at: now, bytes });
    this.#bytes += bytes;
  }

  /** Records that the state machine has applied the entries up to `index`. */
  applied(index: number): void {
    let done = 0;
    for (const mark of this.#marks) {
      if (mark.index > index) break;
      this.#bytes -= mark.bytes;
      done += 1;
    }
    if (done > 0) this.#marks.splice(0, done);
  }
}
