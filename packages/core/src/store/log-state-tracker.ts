import { KontikiError } from '../errors.js';
import type { Ballot } from '../log/ballot.js';
import type { Entry, Position } from '../log/entry.js';
import type { MembershipAt } from '../log/membership.js';
import type { StoreLife } from '../log/store-life.js';
import type { LogBase, LogState, LogWrite, Repair } from '../ports/log-store.js';
import { genesisOf } from '../wire/genesis.js';
import type { LogRecord } from './record.js';

/** The base of a log that has never been compacted. */
const BLANK_BASE: LogBase = { index: 0, term: 0, membership: undefined, genesis: undefined };

/** The state of a log without its entries, terms and memberships. */
export interface Checkpoint {
  readonly ballot: Ballot | undefined;
  readonly life: StoreLife | undefined;
  readonly base: LogBase;
  readonly last: number;
  readonly committed: number;
  readonly genesis: number | undefined;
}

/**
 * Tracks everything that a log store reports when it is opened (`LogState`), without storing the
 * entries. A store applies every record to its tracker, both those that it reads while opening and
 * those that it writes later.
 */
export class LogStateTracker {
  #ballot: Ballot | undefined;
  #life: StoreLife | undefined;
  #base = BLANK_BASE;
  #last = 0;
  #terms: Position[] = [];
  #memberships: MembershipAt[] = [];
  #committed = 0;
  #genesis: number | undefined;

  get base(): LogBase {
    return this.#base;
  }

  /** The index of the last entry, or of the base if the log has no entries. */
  get last(): number {
    return this.#last;
  }

  get checkpoint(): Checkpoint {
    return {
      ballot: this.#ballot,
      life: this.#life,
      base: this.#base,
      last: this.#last,
      committed: this.#committed,
      genesis: this.#genesis,
    };
  }

  /** The first index of each term after the base, in ascending order. */
  get terms(): readonly Position[] {
    return this.#terms;
  }

  /** The memberships after the base, in ascending order of index. */
  get memberships(): readonly MembershipAt[] {
    return this.#memberships;
  }

  /**
   * Sets the state to a checkpoint. If `terms` is omitted, later records must compact or replace
   * all entries between the checkpoint's base and its last index.
   */
  restore(
    { ballot, life, base, last, committed, genesis }: Checkpoint,
    terms: readonly Position[] = [],
    memberships: readonly MembershipAt[] = [],
  ): void {
    this.#ballot = ballot;
    this.#life = life;
    this.#base = base;
    this.#last = last;
    this.#committed = committed;
    this.#genesis = genesis;
    this.#terms = [...terms];
    this.#memberships = [...memberships];
  }

  /**
   * Applies a record. If the record is not valid for the log, throws `KONTIKI_INVARIANT` and does
   * not change the state.
   */
  apply(record: LogRecord): void {
    if (record.kind === 'write') this.#write(record);
    else if (record.kind === 'reset') this.#reset(record.base);
    else this.#compact(record.base);
  }

  /** Returns the result of `LogStore.open`. */
  state(repairs: readonly Repair[] = []): LogState {
    return {
      ballot: this.#ballot,
      life: this.#life,
      base: this.#base,
      last: this.#last,
      terms: [...this.#terms],
      memberships: [...this.#memberships],
      committed: this.#committed,
      genesis: this.#genesis,
      repairs,
    };
  }

  #write({ ballot, life, entries = [], committed = 0 }: LogWrite): void {
    const [first] = entries;
    if (first !== undefined) this.#replace(first.index, entries);
    if (ballot !== undefined) this.#ballot = ballot;
    if (life !== undefined) this.#life = life;
    this.#committed = Math.max(this.#committed, committed);
  }

  #replace(from: number, entries: readonly Entry[]): void {
    if (from <= this.#base.index || from > this.#last + 1) {
      throw refused(`entry ${from} does not follow a log that holds ${this.#base.index + 1} to ${this.#last}`);
    }
    const gap = entries.findIndex((entry, i) => entry.index !== from + i);
    if (gap >= 0) throw refused(`entry ${entries[gap]?.index} is in the place of entry ${from + gap}`);
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
    if (base.index > this.#last) {
      throw refused(`the log ends at entry ${this.#last} and cannot be compacted up to entry ${base.index}`);
    }
    if (base.index <= this.#base.index) return;
    this.#base = base;
    // If `restore` was called without terms, the first known term may have started before the base.
    this.#terms = this.#terms.filter(({ index, term }) => index > base.index && term !== base.term);
    this.#memberships = this.#memberships.filter(({ index }) => index > base.index);
    this.#committed = Math.max(this.#committed, base.index);
  }
}

function refused(reason: string): KontikiError {
  return new KontikiError(
    'KONTIKI_INVARIANT',
    `The log refused a write: ${reason}. Nothing was changed. This is a bug in the caller.`,
  );
}
