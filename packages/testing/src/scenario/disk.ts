import { entryBytes, type Ballot, type Entry, type StoreLife } from '@kontiki/core';
import type { PageRead, LogStart, Write } from '@kontiki/core/protocol';

/**
 * A model of a log store that keeps entries as objects. A write becomes durable when `finish` is
 * called.
 */
export class ScenarioDisk {
  /** The durable ballot: the current term and the vote in this term. */
  ballot: Ballot | undefined;
  /** The disk's id and the number of starts from it. Undefined if the disk has no id. */
  life: StoreLife | undefined;
  /** The durable entries. `entries[i]` has index i + 1. */
  entries: Entry[] = [];
  /** The durable commit index. */
  committed = 0;
  /** Writes that are not durable yet, oldest first. */
  readonly writes: Write[] = [];

  issue(write: Write): void {
    this.writes.push(write);
  }

  /**
   * Makes the oldest write durable and returns it. Returns undefined if no write is in progress.
   */
  finish(): Write | undefined {
    const write = this.writes.shift();
    if (write === undefined) return undefined;
    if (write.ballot !== undefined) this.ballot = write.ballot;
    this.entries = replaced(this.entries, write);
    this.committed = Math.max(this.committed, write.committed);
    return write;
  }

  /** Cuts the power. Only the oldest `keep` of the writes in progress survive. */
  crash(keep: number): void {
    for (let i = 0; i < keep; i += 1) this.finish();
    this.writes.length = 0;
  }

  wipe(): void {
    this.crash(0);
    this.ballot = this.life = undefined;
    this.entries = [];
    this.committed = 0;
  }

  holds(index: number, term: number): boolean {
    return this.entries[index - 1]?.term === term;
  }

  /** The last index in all writes issued so far, durable or not. */
  get issuedLast(): number {
    return this.#issued.length;
  }

  /** Returns the durable state that a server starts from. */
  open(): LogStart & { readonly ballot: Ballot | undefined } {
    const { ballot, committed, entries } = this;
    return {
      ballot,
      committed,
      base: { index: 0, term: 0, membership: undefined },
      last: entries.length,
      time: entries.at(-1)?.time,
      terms: entries.filter((entry, i) => entry.term !== entries[i - 1]?.term),
      memberships: entries.flatMap((entry) =>
        entry.kind === 'membership' ? [{ index: entry.index, membership: entry.membership }] : [],
      ),
    };
  }

  /** Returns entries from all writes issued so far, durable or not. */
  read({ from, to, maxBytes }: PageRead): Entry[] {
    const page: Entry[] = [];
    let bytes = 0;
    for (const entry of this.#issued.slice(from - 1, to)) {
      bytes += entryBytes(entry);
      if (page.length > 0 && bytes > maxBytes) break;
      page.push(entry);
    }
    return page;
  }

  get #issued(): readonly Entry[] {
    return this.writes.reduce(replaced, this.entries);
  }
}

/**
 * Returns the log as it will be after a write. The written entries replace everything in the log
 * from their first index on.
 */
function replaced(log: Entry[], { entries }: Write): Entry[] {
  const [first] = entries;
  return first === undefined ? log : [...log.slice(0, first.index - 1), ...entries];
}
