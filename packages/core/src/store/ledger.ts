import { KontikiError } from '../errors.js';
import type { Ballot } from '../log/ballot.js';
import type { Entry, Position } from '../log/entry.js';
import type { MembershipAt } from '../log/membership.js';
import type { LogBase, LogState, Repair } from '../ports/log-store.js';
import { genesisOf } from '../wire/genesis.js';
import type { LogRecord } from './record.js';

const beginning: LogBase = { index: 0, term: 0, membership: undefined, genesis: undefined };

/** What a log holds, beside its entries, terms and memberships. */
export interface Checkpoint {
  readonly ballot: Ballot | undefined;
  readonly base: LogBase;
  readonly last: number;
  readonly committed: number;
  readonly genesis: number | undefined;
}

/** What a log holds, without the entries: kept up to date record by record, on opening and while running. */
export class Ledger {
  #ballot: Ballot | undefined;
  #base = beginning;
  #last = 0;
  #terms: Position[] = [];
  #memberships: MembershipAt[] = [];
  #committed = 0;
  #genesis: number | undefined;

  get base(): LogBase {
    return this.#base;
  }

  get last(): number {
    return this.#last;
  }

  get checkpoint(): Checkpoint {
    return {
      ballot: this.#ballot,
      base: this.#base,
      last: this.#last,
      committed: this.#committed,
      genesis: this.#genesis,
    };
  }

  /** The first index of each term above the base, ascending. */
  get terms(): readonly Position[] {
    return this.#terms;
  }

  /** The memberships above the base, ascending. */
  get memberships(): readonly MembershipAt[] {
    return this.#memberships;
  }

  /** Begins from a checkpoint. If it tells no terms, what lies between its base and its last index must be compacted later on. */
  restore(
    { ballot, base, last, committed, genesis }: Checkpoint,
    terms: readonly Position[] = [],
    memberships: readonly MembershipAt[] = [],
  ): void {
    this.#ballot = ballot;
    this.#base = base;
    this.#last = last;
    this.#committed = committed;
    this.#genesis = genesis;
    this.#terms = [...terms];
    this.#memberships = [...memberships];
  }

  /** Throws, and changes nothing, if the record does not fit. */
  apply(record: LogRecord): void {
    if (record.kind === 'write') this.#write(record.ballot, record.entries ?? [], record.committed ?? 0);
    else if (record.kind === 'reset') this.#reset(record.base);
    else this.#compact(record.base);
  }

  state(repairs: readonly Repair[]): LogState {
    return {
      ballot: this.#ballot,
      base: this.#base,
      last: this.#last,
      terms: [...this.#terms],
      memberships: [...this.#memberships],
      committed: this.#committed,
      genesis: this.#genesis,
      repairs,
    };
  }

  #write(ballot: Ballot | undefined, entries: readonly Entry[], committed: number): void {
    const [first] = entries;
    if (first !== undefined) this.#replace(first.index, entries);
    if (ballot !== undefined) this.#ballot = ballot;
    this.#committed = Math.max(this.#committed, committed);
  }

  #replace(from: number, entries: readonly Entry[]): void {
    if (from <= this.#base.index || from > this.#last + 1) {
      throw misuse(`entries from ${from} on do not fit a log that holds ${this.#base.index + 1} to ${this.#last}`);
    }
    const gap = entries.findIndex((entry, i) => entry.index !== from + i);
    if (gap >= 0) throw misuse(`entry ${entries[gap]?.index} stands where ${from + gap} was due`);
    while ((this.#terms.at(-1)?.index ?? 0) >= from) this.#terms.pop();
    while ((this.#memberships.at(-1)?.index ?? 0) >= from) this.#memberships.pop();
    for (const entry of entries) {
      if (entry.term !== (this.#terms.at(-1)?.term ?? this.#base.term))
        this.#terms.push({ index: entry.index, term: entry.term });
      if (entry.kind !== 'membership') continue;
      this.#memberships.push({ index: entry.index, membership: entry.membership });
      if (entry.index === 1) this.#genesis = genesisOf(entry);
    }
    this.#last = from + entries.length - 1;
  }

  #reset(base: LogBase): void {
    this.#base = base;
    this.#last = base.index;
    this.#terms = [];
    this.#memberships = [];
    this.#committed = base.index;
    this.#genesis = base.genesis ?? this.#genesis;
  }

  #compact(base: LogBase): void {
    if (base.index > this.#last)
      throw misuse(`the log ends at ${this.#last} and was to be compacted up to ${base.index}`);
    if (base.index <= this.#base.index) return;
    this.#base = base;
    // After a start from a checkpoint, the first term it saw may have begun below the base.
    this.#terms = this.#terms.filter(({ index, term }) => index > base.index && term !== base.term);
    this.#memberships = this.#memberships.filter(({ index }) => index > base.index);
    this.#committed = Math.max(this.#committed, base.index);
  }
}

function misuse(text: string): KontikiError {
  return new KontikiError('KONTIKI_INVARIANT', `A write was refused: ${text}.`);
}
