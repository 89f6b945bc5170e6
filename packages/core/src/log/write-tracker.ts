import { invariant } from '../invariant.js';

interface PendingWrite {
  readonly number: number;
  /** The index of the first entry in the write; `Infinity` if it contains only a ballot. */
  readonly from: number;
  /** The last index of the log when the write was issued. */
  readonly last: number;
  readonly bytes: number;
}

/**
 * Tracks the index up to which the log is durable on this server, by numbering the writes.
 *
 * Writes can overlap, so an entry may be written, replaced and written again before the first write
 * finishes. When the first write finishes, this says nothing about the newest entry (the ABA
 * problem). So issuing a write lowers the durable index below the write's first index. The last
 * index of a write becomes durable only when that same write has finished.
 */
export class WriteTracker {
  #lastIssuedWrite = 0;
  #lastDurableWrite = 0;
  #pending: PendingWrite[] = [];
  /** The last index of the log when the newest finished write was issued. */
  #lastAtIssue: number;
  #bytes = 0;

  constructor(last: number) {
    this.#lastAtIssue = last;
  }

  /** The number of the newest issued write; 0 before the first write. */
  get lastIssuedWrite(): number {
    return this.#lastIssuedWrite;
  }

  /** The number of the newest durable write. All earlier writes are also durable. */
  get lastDurableWrite(): number {
    return this.#lastDurableWrite;
  }

  /** Bytes of entries in pending writes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Assigns a number to a write of the entries `from` to `last`, or to a write of only a ballot. In
   * the latter case, `from` is `Infinity`.
   */
  issue(from: number, last: number, bytes: number): number {
    this.#lastIssuedWrite += 1;
    this.#pending.push({ number: this.#lastIssuedWrite, from, last, bytes });
    this.#bytes += bytes;
    return this.#lastIssuedWrite;
  }

  /**
   * Records that a durable snapshot ending at `last` has replaced the log. Pending writes belong to
   * the old log, so when they finish, they only prove that `last` is durable.
   */
  reset(last: number): void {
    this.#pending = this.#pending.map((write) => ({ ...write, last }));
    this.#lastAtIssue = last;
  }

  /**
   * Records that all writes up to `number` are durable, even if their callbacks ran in a different
   * order.
   */
  finish(number: number): void {
    invariant(
      number <= this.#lastIssuedWrite,
      () => `write ${number} finished but only ${this.#lastIssuedWrite} were issued`,
    );
    if (number <= this.#lastDurableWrite) return;
    this.#lastDurableWrite = number;
    let done = 0;
    for (const write of this.#pending) {
      if (write.number > number) break;
      this.#lastAtIssue = write.last;
      this.#bytes -= write.bytes;
      done += 1;
    }
    this.#pending.splice(0, done);
  }

  /**
   * Returns the durable index. `changed` is the index of the first entry that has changed since the
   * last write was issued.
   */
  durable(changed: number): number {
    let durable = Math.min(this.#lastAtIssue, changed - 1);
    for (const write of this.#pending) durable = Math.min(durable, write.from - 1);
    return durable;
  }
}
