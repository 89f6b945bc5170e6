import { invariant } from '../invariant.js';

interface WriteUnderWay {
  readonly number: number;
  /** The first index it writes; `Infinity` for a ballot alone. */
  readonly from: number;
  /** The log's last index when it was issued. */
  readonly last: number;
  readonly bytes: number;
}

/**
 * How far the log is durable here, from numbered writes. An entry that is written, replaced and written again by
 * overlapping writes must not count on the word of the first of them: so a write takes everything from its first index
 * on out of the durable part when it is issued, and what it remembers counts again only when it has finished.
 */
export class WriteTracker {
  #lastIssuedWrite = 0;
  #lastDurableWrite = 0;
  #underWay: WriteUnderWay[] = [];
  /** The last index remembered by the newest finished write. */
  #remembered: number;
  #bytes = 0;

  constructor(last: number) {
    this.#remembered = last;
  }

  /** Number of the newest write issued; 0 before the first. */
  get lastIssuedWrite(): number {
    return this.#lastIssuedWrite;
  }

  /** Number up to which all writes have finished. */
  get lastDurableWrite(): number {
    return this.#lastDurableWrite;
  }

  /** Bytes of entries in writes under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Numbers a write of entries `from` to `last`, or of a ballot alone (`from` is `Infinity`). */
  issue(from: number, last: number, bytes: number): number {
    this.#lastIssuedWrite += 1;
    this.#underWay.push({ number: this.#lastIssuedWrite, from, last, bytes });
    this.#bytes += bytes;
    return this.#lastIssuedWrite;
  }

  /** The log is replaced by a snapshot that ends at `last`, and is durable itself: what writes under way remember is of a log that is gone. */
  reset(last: number): void {
    this.#underWay = this.#underWay.map((write) => ({ ...write, last }));
    this.#remembered = last;
  }

  /** All writes up to `number` are durable, in whatever order their callbacks ran. */
  finish(number: number): void {
    invariant(
      number <= this.#lastIssuedWrite,
      () => `write ${number} finished but only ${this.#lastIssuedWrite} were issued`,
    );
    if (number <= this.#lastDurableWrite) return;
    this.#lastDurableWrite = number;
    let done = 0;
    for (const write of this.#underWay) {
      if (write.number > number) break;
      this.#remembered = write.last;
      this.#bytes -= write.bytes;
      done += 1;
    }
    this.#underWay.splice(0, done);
  }

  /** The index up to which the log is durable, when everything from `changed` on was changed in memory but not issued yet. */
  durable(changed: number): number {
    let durable = Math.min(this.#remembered, changed - 1);
    for (const write of this.#underWay) durable = Math.min(durable, write.from - 1);
    return durable;
  }
}
