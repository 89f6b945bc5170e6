import { entryBytes, type Ballot, type Entry } from '@kontiki/core';
import type { PageRead, LogStart, Write } from '@kontiki/core/protocol';

/** A log store without bytes that writes when it is told to. */
export class ScenarioDisk {
  /** What is durable, and what a restart begins with. `entries[i]` has index i + 1. */
  ballot: Ballot | undefined;
  entries: Entry[] = [];
  committed = 0;
  /** Issued and not yet durable, oldest first. */
  readonly writes: Write[] = [];

  issue(write: Write): void {
    this.writes.push(write);
  }

  /** Makes the oldest write durable; undefined when none is under way. */
  finish(): Write | undefined {
    const write = this.writes.shift();
    if (write === undefined) return undefined;
    if (write.ballot !== undefined) this.ballot = write.ballot;
    this.entries = replaced(this.entries, write);
    this.committed = Math.max(this.committed, write.committed);
    return write;
  }

  /** The power goes: the oldest `keep` writes under way survive. */
  crash(keep: number): void {
    for (let i = 0; i < keep; i += 1) this.finish();
    this.writes.length = 0;
  }

  wipe(): void {
    this.crash(0);
    this.ballot = undefined;
    this.entries = [];
    this.committed = 0;
  }

  holds(index: number, term: number): boolean {
    return this.entries[index - 1]?.term === term;
  }

  /** The last index as issued, durable or not. */
  get issuedLast(): number {
    return this.#issued.length;
  }

  /** What a server begins its life with. */
  open(): LogStart & { readonly ballot: Ballot | undefined } {
    const { ballot, committed, entries } = this;
    return {
      ballot,
      committed,
      base: { index: 0, term: 0, membership: undefined },
      last: entries.length,
      terms: entries.filter((entry, i) => entry.term !== entries[i - 1]?.term),
      memberships: entries.flatMap((entry) =>
        entry.kind === 'membership' ? [{ index: entry.index, membership: entry.membership }] : [],
      ),
    };
  }

  /** Whoever reads sees what was issued. */
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

/** A log behind a write: from its first entry on, the write's. */
function replaced(log: Entry[], { entries }: Write): Entry[] {
  const [first] = entries;
  return first === undefined ? log : [...log.slice(0, first.index - 1), ...entries];
}
