import { invariant } from '../invariant.js';
import { entryBytes, type Entry, type Position } from './entry.js';
import type { Membership, MembershipAt } from './membership.js';
import { WriteTracker } from './write-tracker.js';
import { Tail, type Slice } from './tail.js';
import { TermHistory } from './term-history.js';

/**
 * The position where a log starts. A snapshot covers everything up to and including this position.
 * An index and a term of 0 mean that there is no snapshot.
 */
export interface Base extends Position {
  /** The newest membership at or before the base; undefined only if the base has index 0. */
  readonly membership: MembershipAt | undefined;
}

/** The contents of the log store when the server starts. */
export interface LogStart {
  readonly base: Base;
  readonly last: number;
  /** The log time of the last entry in milliseconds. Default 0. */
  readonly time?: number | undefined;
  readonly terms: readonly Position[];
  readonly memberships: readonly MembershipAt[];
  readonly committed: number;
}

/** One write to the log store: its number and its entries. */
export interface IssuedWrite {
  readonly number: number;
  /**
   * The new base, if a snapshot replaced the log. In this case, the store discards its whole log
   * before it appends the entries.
   */
  readonly reset: Base | undefined;
  readonly entries: readonly Entry[];
}

const noEntries: readonly Entry[] = [];

/**
 * The in-memory view of the log. It consists of its positions (base, last, durable, committed,
 * applied), the term at each index, the memberships, and the newest entries. Always applied <=
 * committed <= last, and applied <= durable (Raft §5.3).
 */
export class RaftLog {
  #base: Base;
  /**
   * The new base after a snapshot has replaced the log. Undefined again once a write with this base
   * has been issued.
   */
  #reset: Base | undefined;
  readonly #terms: TermHistory;
  readonly #tail: Tail;
  readonly #writes: WriteTracker;
  /** Memberships in ascending order of index. The last membership is in force. */
  /**
   * This array is replaced, not modified, so that `liveMemberships` returns the same array until it
   * changes.
   */
  #memberships: readonly MembershipAt[];
  /** The last value that `liveMemberships` returned, and the arguments it was computed from. */
  #live: { readonly of: readonly MembershipAt[]; readonly from: number; readonly live: readonly MembershipAt[] };
  readonly #tailBytes: number;
  #last: number;
  #committed: number;
  #applied: number;
  /**
   * The index of the first entry that changed since the last issued write; `Infinity` if nothing
   * changed.
   */
  #changed = Infinity;
  #changedBytes = 0;

  /**
   * Creates a log from the contents of the store. `applied` is the index of the last entry that the
   * state machine has already applied.
   */
  constructor(start: LogStart, applied: number, tailBytes: number) {
    const { base, last } = start;
    this.#base = base;
    this.#terms = new TermHistory(base, start.terms);
    this.#tail = new Tail(last + 1);
    this.#writes = new WriteTracker(last);
    this.#memberships =
      base.membership === undefined ? [...start.memberships] : [base.membership, ...start.memberships];
    this.#live = { of: [], from: 0, live: [] };
    this.#tailBytes = tailBytes;
    this.#last = last;
    this.#applied = Math.max(base.index, applied);
    this.#committed = Math.max(this.#applied, start.committed);
    invariant(this.#committed <= last, () => `the log ends at ${last}, but ${this.#committed} was committed here`);
  }

  get base(): Base {
    return this.#base;
  }

  get last(): Position {
    return { index: this.#last, term: this.#terms.lastTerm };
  }

  get lastIndex(): number {
    return this.#last;
  }

  /**
   * Whether the log has neither entries nor a snapshot. A blank server does not know its
   * membership. A server that has lost its disk is also blank, and no longer knows how it voted. So
   * a blank server neither campaigns nor votes, but waits for a leader. Bootstrapping, or the first
   * append or snapshot, ends this state.
   */
  get blank(): boolean {
    return this.#last === 0;
  }

  get durable(): number {
    // A durable snapshot covers everything up to the base.
    return Math.max(this.base.index, this.#writes.durable(this.#changed));
  }

  get committed(): number {
    return this.#committed;
  }

  get applied(): number {
    return this.#applied;
  }

  /**
   * The index up to which entries may be applied, because they are committed and durable on this
   * server. The limit keeps a state machine from getting ahead of its server's disk.
   */
  get applicable(): number {
    return Math.min(this.#committed, this.durable);
  }

  /** The number of the most recently issued write. */
  get lastIssuedWrite(): number {
    return this.#writes.lastIssuedWrite;
  }

  /** The number of the newest durable write. All earlier writes are also durable. */
  get lastDurableWrite(): number {
    return this.#writes.lastDurableWrite;
  }

  /** Bytes of entries that are not durable on this server yet. */
  get undurableBytes(): number {
    return this.#writes.bytes + this.#changedBytes;
  }

  /** Bytes of entries in memory. */
  get heldBytes(): number {
    return this.#tail.bytes;
  }

  /**
   * The membership in force: the newest membership in the log, committed or not. Undefined on a
   * blank server.
   */
  get membership(): Membership | undefined {
    return this.#memberships.at(-1)?.membership;
  }

  /** The index of the entry that contains the membership in force; 0 on a blank server. */
  get membershipIndex(): number {
    return this.#memberships.at(-1)?.index ?? 0;
  }

  /**
   * The live memberships: the newest committed membership and all later ones. A server uses a
   * membership as soon as it appends its entry, and some servers may lack the newest entries. So
   * any live membership may be in force on some server, and the transport must reach every server
   * in these memberships.
   */
  get liveMemberships(): readonly MembershipAt[] {
    const all = this.#memberships;
    let from = all.length - 1;
    while (from > 0 && (all[from] as MembershipAt).index > this.#committed) from -= 1;
    if (this.#live.of !== all || this.#live.from !== from)
      this.#live = { of: all, from, live: all.slice(Math.max(0, from)) };
    return this.#live.live;
  }

  /**
   * Returns the term at an index, or undefined if the index is before the base or after the last
   * entry.
   */
  termAt(index: number): number | undefined {
    return index < this.base.index || index > this.#last ? undefined : this.#terms.at(index);
  }

  /**
   * Returns whether this log contains the entry at `position`, which is committed on another
   * server. This is the case if the terms match, or if the index is already committed on this
   * server.
   */
  matchesTerm({ index, term }: Position): boolean {
    return index <= this.#committed || this.termAt(index) === term;
  }

  /**
   * Returns the last position at or before `index` whose term is at most `term`, or the base if
   * there is no such position.
   */
  findConflictByTerm(index: number, term: number): Position {
    if (index <= this.base.index) return this.base;
    return this.#terms.findConflictByTerm(Math.min(index, this.#last), term);
  }

  /**
   * Returns whether a log that ends at `other` is at least as up to date as this log. Compares the
   * terms of the last entries, then their indices (Raft §5.4.1).
   */
  isUpToDate(other: Position): boolean {
    const { index, term } = this.last;
    return other.term > term || (other.term === term && other.index >= index);
  }

  /**
   * Returns one or more entries from memory, or undefined if entry `from` is no longer in memory.
   */
  slice(from: number, to: number, maxBytes: number): Slice | undefined {
    return this.#tail.slice(from, to, maxBytes);
  }

  /** Returns an entry from memory, or undefined if the entry is no longer in memory. */
  entry(index: number): Entry | undefined {
    return this.#tail.at(index);
  }

  append(entry: Entry): void {
    invariant(entry.index === this.#last + 1, () => `entry ${entry.index} cannot follow entry ${this.#last}`);
    this.#terms.extend(entry.index, entry.term);
    this.#tail.push(entry);
    this.#last = entry.index;
    this.#changed = Math.min(this.#changed, entry.index);
    this.#changedBytes += entryBytes(entry);
    if (entry.kind === 'membership')
      this.#memberships = [...this.#memberships, { index: entry.index, membership: entry.membership }];
  }

  /**
   * Discards the entries from `index` on, including their memberships. The caller must append
   * another entry immediately.
   */
  truncate(index: number): void {
    invariant(
      index > this.#committed,
      () => `entry ${index} cannot be truncated, because ${this.#committed} is committed`,
    );
    invariant(index <= this.#last, () => `entry ${index} cannot be truncated, because the log ends at ${this.#last}`);
    for (let i = Math.max(this.#changed, index); i <= this.#last; i += 1) {
      const entry = this.#tail.at(i);
      if (entry !== undefined) this.#changedBytes -= entryBytes(entry);
    }
    this.#terms.truncate(index);
    this.#tail.truncate(index);
    this.#last = index - 1;
    this.#changed = Math.min(this.#changed, index);
    if (this.membershipIndex >= index) this.#memberships = this.#memberships.filter((at) => at.index < index);
  }

  /** Returns the newest membership at or before an index. */
  membershipAt(index: number): MembershipAt | undefined {
    return this.#memberships.findLast((at) => at.index <= index);
  }

  /**
   * Discards everything up to `index`. These entries must be applied, durable, and covered by a
   * durable snapshot.
   */
  compact(index: number): void {
    invariant(
      index <= this.#applied && index <= this.durable,
      () => `entry ${index} is not applied and durable, so it cannot be compacted`,
    );
    if (index <= this.#base.index) return;
    const membership = this.membershipAt(index);
    this.#base = { index, term: this.#terms.at(index), membership };
    this.#terms.compact(this.#base);
    this.#memberships = this.#memberships.filter((at) => at.index >= (membership?.index ?? 0));
    this.#tail.evict(index, 0);
  }

  /**
   * Replaces the whole log with a durable snapshot that ends at `base`. The log must not contain
   * the snapshot's last entry.
   */
  reset(base: Base): void {
    invariant(
      base.index > this.#committed,
      () => `a snapshot of entry ${base.index} cannot be installed, because ${this.#committed} is committed`,
    );
    invariant(
      this.termAt(base.index) !== base.term,
      () => `a snapshot of entry ${base.index} cannot be installed, because the log contains that entry`,
    );
    this.#base = this.#reset = base;
    this.#terms.reset(base);
    this.#tail.reset(base.index + 1);
    this.#writes.reset(base.index);
    this.#memberships = base.membership === undefined ? [] : [base.membership];
    this.#last = this.#committed = base.index;
    this.#changed = Infinity;
    this.#changedBytes = 0;
  }

  commitTo(index: number): void {
    invariant(
      index <= this.#last,
      () => `entry ${index} was committed, but the log ends at ${this.#last}: it was lost`,
    );
    invariant(index >= this.#committed, () => `the commit index was to go back from ${this.#committed} to ${index}`);
    this.#committed = index;
  }

  appliedTo(index: number): void {
    invariant(index >= this.#applied, () => `the applied index cannot decrease from ${this.#applied} to ${index}`);
    invariant(index <= this.applicable, () => `entry ${index} was applied before it was committed and durable here`);
    this.#applied = index;
    this.#evict();
  }

  /** Issues a write with all changes since the previous write. */
  issueWrite(): IssuedWrite {
    const from = this.#changed;
    const reset = this.#reset;
    this.#reset = undefined;
    const entries = from > this.#last ? noEntries : this.#tail.slice(from, this.#last, Infinity)?.entries;
    invariant(entries !== undefined, () => `entries from ${from} on left memory before they were written`);
    invariant(entries.length > 0 || from === Infinity, () => `entries from ${from} on were removed and not replaced`);
    const first = reset === undefined ? from : reset.index + 1;
    const number = this.#writes.issue(first, this.#last, this.#changedBytes);
    this.#changed = Infinity;
    this.#changedBytes = 0;
    return { number, reset, entries };
  }

  /** Whether the log has changed since the last write was issued. */
  get changed(): boolean {
    return this.#changed !== Infinity || this.#reset !== undefined;
  }

  /** Records that all writes up to `number` are durable. */
  persisted(number: number): void {
    this.#writes.finish(number);
    this.#evict();
  }

  /**
   * Evicts the oldest durable and committed entries if the entries in memory exceed their limit.
   * Uncommitted entries stay in memory, because the leader limits their total size.
   */
  #evict(): void {
    this.#tail.evict(this.applicable, this.#tailBytes);
  }
}
