interface Mark {
  /** Index of the newest entry that this mark covers. */
  index: number;
  /** The time, in milliseconds, when the oldest of its entries was committed. */
  readonly at: number;
  bytes: number;
}

/** Commits within this many milliseconds share a mark, to keep the number of marks small. */
const RESOLUTION_MS = 10;

/**
 * The entries that a leader has committed and its state machine has not applied: their bytes, and
 * the age of the oldest one. A leader whose machine is slower than the proposals must refuse some of
 * them in time. Otherwise every caller waits longer than the previous one, until all calls time out.
 */
export class ApplyBacklog {
  /** Ascending by index. */
  #marks: Mark[] = [];
  #bytes = 0;

  /** Bytes of these entries, rounded up to whole marks. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Milliseconds since the oldest entry was committed; 0 if every entry is applied. */
  age(now: number): number {
    const [oldest] = this.#marks;
    return oldest === undefined ? 0 : now - oldest.at;
  }

  /** Notes that the entries up to `index`, `bytes` bytes in total, were committed. */
  committed(index: number, bytes: number, now: number): void {
    const newest = this.#marks.at(-1);
    if (newest !== undefined && now - newest.at < RESOLUTION_MS) {
      newest.index = index;
      newest.bytes += bytes;
    } else this.#marks.push({ index, at: now, bytes });
    this.#bytes += bytes;
  }

  /** Notes that everything up to `index` is applied. */
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
