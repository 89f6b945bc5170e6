import { invariant } from '../invariant.js';
import { entryBytes, type Entry, type Position } from './entry.js';
import type { Membership, MembershipAt } from './membership.js';
import { WriteTracker } from './write-tracker.js';
import { Tail, type Slice } from './tail.js';
import { TermHistory } from './term-history.js';

/** Where a log begins: everything up to this position is in a snapshot, or never was (index 0, term 0). */
export interface Base extends Position {
  /** The newest membership at or below the position; undefined only at index 0. */
  readonly membership: MembershipAt | undefined;
}

/** What a log begins from: what the store held at start. */
export interface LogStart {
  readonly base: Base;
  readonly last: number;
  readonly terms: readonly Position[];
  readonly memberships: readonly MembershipAt[];
  readonly committed: number;
}

/** The entries of one write, and its number. */
export interface IssuedWrite {
  readonly number: number;
  /** The log is to forget everything before it takes the entries: a snapshot has taken its place. */
  readonly reset: Base | undefined;
  readonly entries: readonly Entry[];
}

const nothing: readonly Entry[] = [];

/**
 * The log as the protocol sees it: positions (base, last, durable, committed, applied), the term at each index, the
 * memberships, and the newest entries. applied <= committed <= last; applied <= durable (Raft §5.3).
 */
export class RaftLog {
  #base: Base;
  /** A snapshot has replaced the log, and that is not issued as a write yet. */
  #reset: Base | undefined;
  readonly #terms: TermHistory;
  readonly #tail: Tail;
  readonly #writes: WriteTracker;
  /** Ascending; the one in force is the last. */
  readonly #memberships: MembershipAt[];
  readonly #tailBytes: number;
  #last: number;
  #committed: number;
  #applied: number;
  /** The first index changed in memory and not yet issued as a write; `Infinity` when there is none. */
  #changed = Infinity;
  #changedBytes = 0;

  /** `applied`: the index up to which the state machine already holds the state. */
  constructor(start: LogStart, applied: number, tailBytes: number) {
    const { base, last } = start;
    this.#base = base;
    this.#terms = new TermHistory(base, start.terms);
    this.#tail = new Tail(last + 1);
    this.#writes = new WriteTracker(last);
    this.#memberships =
      base.membership === undefined ? [...start.memberships] : [base.membership, ...start.memberships];
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

  /** No entry and no snapshot: such a server neither campaigns nor votes. */
  get blank(): boolean {
    return this.#last === 0;
  }

  get durable(): number {
    // What is below the base is in a durable snapshot.
    return Math.max(this.base.index, this.#writes.durable(this.#changed));
  }

  get committed(): number {
    return this.#committed;
  }

  get applied(): number {
    return this.#applied;
  }

  /** How far entries may be applied: no state machine is ever ahead of its own disk. */
  get applicable(): number {
    return Math.min(this.#committed, this.durable);
  }

  /** The number of the newest write issued, and that up to which all are durable. */
  get lastIssuedWrite(): number {
    return this.#writes.lastIssuedWrite;
  }

  get lastDurableWrite(): number {
    return this.#writes.lastDurableWrite;
  }

  /** Bytes of entries that are not yet durable here. */
  get undurableBytes(): number {
    return this.#writes.bytes + this.#changedBytes;
  }

  /** Bytes of entries held in memory. */
  get heldBytes(): number {
    return this.#tail.bytes;
  }

  /** The newest membership in the log, committed or not; undefined on a blank server. */
  get membership(): Membership | undefined {
    return this.#memberships.at(-1)?.membership;
  }

  /** The memberships that may still be in force anywhere: the newest committed one and all after it. */
  get liveMemberships(): readonly MembershipAt[] {
    const settled = this.#memberships.findLastIndex(({ index }) => index <= this.#committed);
    return this.#memberships.slice(Math.max(0, settled));
  }

  /** The term at an index; undefined before the base and beyond the last entry. */
  termAt(index: number): number | undefined {
    return index < this.base.index || index > this.#last ? undefined : this.#terms.at(index);
  }

  /** Whether the entry at a position stands in this log, or is behind what was compacted. */
  matchesTerm({ index, term }: Position): boolean {
    return index <= this.#committed || this.termAt(index) === term;
  }

  /** The last place at or before `index` whose term is not above `term`; the base at the least. */
  findConflictByTerm(index: number, term: number): Position {
    if (index <= this.base.index) return this.base;
    return this.#terms.findConflictByTerm(Math.min(index, this.#last), term);
  }

  /** Whether a log that ends at `other` is at least as up to date as this one: last term first, then index (Raft §5.4.1). */
  isUpToDate(other: Position): boolean {
    const { index, term } = this.last;
    return other.term > term || (other.term === term && other.index >= index);
  }

  /** Entries from memory, at least one; undefined when `from` has left it. */
  slice(from: number, to: number, maxBytes: number): Slice | undefined {
    return this.#tail.slice(from, to, maxBytes);
  }

  /** An entry held in memory. */
  entry(index: number): Entry | undefined {
    return this.#tail.at(index);
  }

  append(entry: Entry): void {
    invariant(entry.index === this.#last + 1, () => `entry ${entry.index} was to follow ${this.#last}`);
    this.#terms.extend(entry.index, entry.term);
    this.#tail.push(entry);
    this.#last = entry.index;
    this.#changed = Math.min(this.#changed, entry.index);
    this.#changedBytes += entryBytes(entry);
    if (entry.kind === 'membership') this.#memberships.push({ index: entry.index, membership: entry.membership });
  }

  /** Forgets the entries from `index` on, and the memberships among them. Another entry must take the place at once. */
  truncate(index: number): void {
    invariant(index > this.#committed, () => `entry ${index} was to be removed, but ${this.#committed} is committed`);
    invariant(index <= this.#last, () => `entry ${index} was to be removed, but the log ends at ${this.#last}`);
    for (let i = Math.max(this.#changed, index); i <= this.#last; i += 1) {
      const entry = this.#tail.at(i);
      if (entry !== undefined) this.#changedBytes -= entryBytes(entry);
    }
    this.#terms.truncate(index);
    this.#tail.truncate(index);
    this.#last = index - 1;
    this.#changed = Math.min(this.#changed, index);
    while ((this.#memberships.at(-1)?.index ?? 0) >= index) this.#memberships.pop();
  }

  /** The newest membership at or below an index. */
  membershipAt(index: number): MembershipAt | undefined {
    return this.#memberships.findLast((at) => at.index <= index);
  }

  /** Lets go of everything up to `index`, which is applied and durable, and in a durable snapshot. */
  compact(index: number): void {
    invariant(index <= this.#applied && index <= this.durable, () => `entry ${index} was to be compacted too early`);
    if (index <= this.#base.index) return;
    const membership = this.membershipAt(index);
    this.#base = { index, term: this.#terms.at(index), membership };
    this.#terms.compact(this.#base);
    this.#memberships.splice(0, this.#memberships.indexOf(membership as MembershipAt));
    this.#tail.evict(index, 0);
  }

  /** A durable snapshot that ends at `base` takes the place of the whole log, which does not hold what it ends with. */
  reset(base: Base): void {
    invariant(
      base.index > this.#committed,
      () => `${this.#committed} is committed, and a snapshot of ${base.index} was installed`,
    );
    invariant(
      this.termAt(base.index) !== base.term,
      () => `a snapshot of ${base.index} was installed that the log holds`,
    );
    this.#base = this.#reset = base;
    this.#terms.reset(base);
    this.#tail.reset(base.index + 1);
    this.#writes.reset(base.index);
    this.#memberships.splice(0, Infinity, ...(base.membership === undefined ? [] : [base.membership]));
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
    invariant(index >= this.#applied, () => `the applied index was to go back from ${this.#applied} to ${index}`);
    invariant(index <= this.applicable, () => `entry ${index} was applied before it was committed and durable here`);
    this.#applied = index;
    this.#evict();
  }

  /** Numbers a write of everything that has changed since the last one. */
  issueWrite(): IssuedWrite {
    const from = this.#changed;
    const reset = this.#reset;
    this.#reset = undefined;
    const entries = from > this.#last ? nothing : this.#tail.slice(from, this.#last, Infinity)?.entries;
    invariant(entries !== undefined, () => `entries from ${from} on left memory before they were written`);
    invariant(entries.length > 0 || from === Infinity, () => `entries from ${from} on were removed and not replaced`);
    const first = reset === undefined ? from : reset.index + 1;
    const number = this.#writes.issue(first, this.#last, this.#changedBytes);
    this.#changed = Infinity;
    this.#changedBytes = 0;
    return { number, reset, entries };
  }

  /** Whether there is anything to write. */
  get changed(): boolean {
    return this.#changed !== Infinity || this.#reset !== undefined;
  }

  /** All writes up to `number` are durable. */
  persisted(number: number): void {
    this.#writes.finish(number);
    this.#evict();
  }

  /** Lets go of what is safe on disk, oldest first, when the tail outgrows its limit. Uncommitted entries stay: they may have to be counted. */
  #evict(): void {
    this.#tail.evict(this.applicable, this.#tailBytes);
  }
}
