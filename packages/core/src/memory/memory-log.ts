import { KontikiError } from '../errors.js';
import { entryBytes, type Entry, type Position } from '../log/entry.js';
import type { Ballot } from '../log/ballot.js';
import type { MembershipAt } from '../log/membership.js';
import type { LogBase, LogState, LogStore, LogWrite, Owner } from '../ports/log-store.js';
import { checkWhere, movedError } from '../store/moved.js';
import { genesisOf } from '../wire/genesis.js';

const beginning: LogBase = { index: 0, term: 0, membership: undefined, genesis: undefined };

/**
 * A log that lives as long as this object: for tests, and for clusters that may forget. What is appended counts as
 * durable at once; `close` and `open` on the same object find it again, a new object is blank.
 */
export class MemoryLog implements LogStore {
  #owner: Owner | undefined;
  #ballot: Ballot | undefined;
  #base: LogBase = beginning;
  /** Entries above the base. */
  #entries: Entry[] = [];
  #committed = 0;
  #open = false;
  #moved: KontikiError | undefined;

  async open(owner: Owner): Promise<LogState> {
    if (this.#open) throw new KontikiError('KONTIKI_LOCKED', 'This memory log is open already.');
    if (this.#moved !== undefined) throw this.#moved;
    const held = this.#owner ?? owner;
    if (held.cluster !== owner.cluster || held.server !== owner.server) {
      const text = `This log is of server ${held.server} in cluster ${held.cluster}, not ${owner.server} in ${owner.cluster}.`;
      throw new KontikiError('KONTIKI_FOREIGN_DATA', text);
    }
    if (this.#committed > this.#last) {
      const text = `This log ends at entry ${this.#last}, but ${this.#committed} was committed here.`;
      throw new KontikiError('KONTIKI_LOST_DATA', text);
    }
    this.#owner = owner;
    this.#open = true;
    const terms: Position[] = [];
    const memberships: MembershipAt[] = [];
    let term = this.#base.term;
    for (const entry of this.#entries) {
      if (entry.term !== term) terms.push({ index: entry.index, term: entry.term });
      term = entry.term;
      if (entry.kind === 'membership') memberships.push({ index: entry.index, membership: entry.membership });
    }
    const last = this.#last;
    const [first] = this.#entries;
    const genesis = this.#base.genesis ?? (first?.kind === 'membership' ? genesisOf(first) : undefined);
    return {
      ballot: this.#ballot,
      base: this.#base,
      last,
      terms,
      memberships,
      committed: this.#committed,
      genesis,
      repairs: [],
    };
  }

  async append({ ballot, entries = [], committed }: LogWrite): Promise<void> {
    this.#check();
    const [first] = entries;
    if (first !== undefined) {
      const { index } = first;
      const fits = index > this.#base.index && index <= this.#last + 1;
      if (!fits || entries.some((entry, i) => entry.index !== index + i)) {
        throw misuse(
          `entries from ${index} on leave a gap in a log that holds ${this.#base.index + 1} to ${this.#last}`,
        );
      }
      this.#entries.splice(index - this.#base.index - 1, Infinity, ...entries);
    }
    if (ballot !== undefined) this.#ballot = ballot;
    if (committed !== undefined) this.#committed = Math.max(this.#committed, committed);
  }

  async reset(base: LogBase): Promise<void> {
    this.#check();
    this.#base = base;
    this.#entries = [];
    this.#committed = base.index;
  }

  async compact(base: LogBase): Promise<void> {
    this.#check();
    if (base.index > this.#last)
      throw misuse(`the log ends at ${this.#last} and was to be compacted up to ${base.index}`);
    if (base.index <= this.#base.index) return;
    this.#entries = this.#entries.slice(base.index - this.#base.index);
    this.#base = base;
  }

  async read(from: number, to: number, maxBytes: number): Promise<Entry[]> {
    this.#check();
    if (from <= this.#base.index) {
      throw new KontikiError('KONTIKI_COMPACTED', `Entries up to ${this.#base.index} are compacted; ${from} was read.`);
    }
    const page: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= Math.min(to, this.#last); index += 1) {
      const entry = this.#entries[index - this.#base.index - 1] as Entry;
      bytes += entryBytes(entry);
      if (page.length > 0 && bytes > maxBytes) break;
      page.push(entry);
    }
    return page;
  }

  async retire(where: string): Promise<void> {
    this.#check();
    checkWhere(where);
    this.#moved = movedError('This memory log', where);
  }

  /** Memory is never full here. */
  onFull(): void {}

  async close(): Promise<void> {
    this.#open = false;
  }

  get #last(): number {
    return this.#base.index + this.#entries.length;
  }

  #check(): void {
    if (!this.#open) throw new KontikiError('KONTIKI_CLOSED', 'This memory log is not open.');
    if (this.#moved !== undefined) throw this.#moved;
  }
}

function misuse(text: string): KontikiError {
  return new KontikiError('KONTIKI_INVARIANT', `A write was refused: ${text}.`);
}
