import { invariant } from '../invariant.js';

interface PendingWrite {
  readonly number: number;
  /** The first index that it writes; `Infinity` for a ballot alone. */
  readonly from: number;
  /** The log's last index when it was issued. */
  readonly last: number;
  readonly bytes: number;
}

/**
 * Tracks up to which index this server's log is durable, from numbered writes.
 *
 * Writes overlap, so an entry may be written, replaced and written again before the first write
 * finishes. The first write's completion must not count for the third one (the ABA problem). So a
 * write removes everything from its first index on from the durable part when it is issued. The
 * last index that it remembers becomes durable only when this very write has finished.
 */
export class WriteTracker {
  #lastIssuedWrite = 0;
  #lastDurableWrite = 0;
  #pending: PendingWrite[] = [];
  /** The log's last index when the newest finished write was issued. */
  #lastAtIssue: number;
  #bytes = 0;

  constructor(last: number) {
    this.#lastAtIssue = last;
  }

  /** Number of the newest issued write; 0 before the first. */
  get lastIssuedWrite(): number {
    return this.#lastIssuedWrite;
  }

  /** All writes up to this number are durable. */
  get lastDurableWrite(): number {
    return this.#lastDurableWrite;
  }

  /** Bytes of entries in pending writes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Assigns a number to a write of the entries `from` to `last`, or of a ballot alone (`from` is
   * `Infinity`).
   */
  issue(from: number, last: number, bytes: number): number {
    this.#lastIssuedWrite += 1;
    this.#pending.push({ number: this.#lastIssuedWrite, from, last, bytes });
    this.#bytes += bytes;
    return this.#lastIssuedWrite;
  }

  /**
   * Notes that a durable snapshot, which ends at `last`, replaced the log. Pending writes belong to
   * the old log, so they now stand for `last`.
   */
  reset(last: number): void {
    this.#pending = this.#pending.map((write) => ({ ...write, last }));
    this.#lastAtIssue = last;
  }

  /** Notes that all writes up to `number` are durable, in whatever order their callbacks ran. */
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
   * Returns the durable index. `changed`: the first index that changed in memory and is not issued
   * yet.
   */
  durable(changed: number): number {
    let durable = Math.min(this.#lastAtIssue, changed - 1);
    for (const write of this.#pending) durable = Math.min(durable, write.from - 1);
    return durable;
  }
}
