import type { Ballot, Entry, LogBase, LogState, LogStore, LogWrite, Owner, Position } from '@kontiki/core';

/** Callbacks for calls to a log. */
export interface LogWatcher {
  /**
   * Called once the log is open. The node receives the state after the returned promise resolves.
   */
  opened(state: LogState): Promise<void>;
  /**
   * Called before the store appends. `prevTerm` is the term of the entry that precedes the write's
   * entries. `last` is the log's last index before the write.
   */
  issued(prevTerm: number, last: number, write: LogWrite): void;
}

/**
 * The term of each entry in a log, by index. Terms are enough, because entries with the same index
 * and term are equal.
 */
class Terms {
  #terms: number[] = [];
  /** Index of the last entry that a snapshot covers. */
  #covered = 0;

  /** Returns whether a snapshot covers the entry. The term of a covered entry is unknown. */
  covers(index: number): boolean {
    return index <= this.#covered;
  }

  /** Replaces all entries with a snapshot that ends at a position. */
  reset({ index, term }: Position): void {
    this.#terms = [];
    this.#terms[index - 1] = term;
    this.#covered = index;
  }

  get last(): number {
    return this.#terms.length;
  }

  at(index: number): number | undefined {
    return index === 0 ? 0 : this.#terms[index - 1];
  }

  replace(entries: readonly Entry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    this.#terms.length = first.index - 1;
    for (const { term } of entries) this.#terms.push(term);
  }

  open({ base, terms, last }: LogState): void {
    this.reset(base);
    for (let at = base.index; at < (terms[0]?.index ?? last + 1); at += 1) if (at > 0) this.#terms[at - 1] = base.term;
    terms.forEach(({ index, term }, i) => {
      const end = terms[i + 1]?.index ?? last + 1;
      for (let at = index; at < end; at += 1) this.#terms[at - 1] = term;
    });
  }
}

/**
 * A record of the entries that a server's log store has received and reported as durable. The
 * record spans all processes of the server.
 */
export class LogMemory {
  /** Entries from all writes issued so far, durable or not. */
  readonly issued: Terms = new Terms();
  /** Entries that the store has reported as durable. */
  readonly durable: Terms = new Terms();
  /** The highest durable term, either of the ballot or of an entry. */
  durableTerm = 0;
  /** Number of writes that are not durable yet. */
  pendingWrites = 0;

  opened(state: LogState): void {
    this.pendingWrites = 0;
    this.issued.open(state);
    this.durable.open(state);
    this.durableTerm = Math.max(state.ballot?.term ?? 0, this.durable.at(state.last) ?? 0);
  }

  persisted(ballot: Ballot | undefined, entries: readonly Entry[]): void {
    this.pendingWrites -= 1;
    this.durable.replace(entries);
    this.durableTerm = Math.max(this.durableTerm, ballot?.term ?? 0, entries.at(-1)?.term ?? 0);
  }
}

/**
 * A wrapper around a log store. It reports calls and their results to a `LogMemory` and a
 * `LogWatcher`.
 */
export class WatchedLog implements LogStore {
  readonly #store: LogStore;
  readonly #memory: LogMemory;
  readonly #watcher: LogWatcher;

  constructor(store: LogStore, memory: LogMemory, watcher: LogWatcher) {
    this.#store = store;
    this.#memory = memory;
    this.#watcher = watcher;
  }

  async open(owner: Owner): Promise<LogState> {
    const state = await this.#store.open(owner);
    this.#memory.opened(state);
    await this.#watcher.opened(state);
    return state;
  }

  async append(write: LogWrite): Promise<void> {
    const { issued } = this.#memory;
    const entries = write.entries ?? [];
    this.#watcher.issued(issued.at((entries[0]?.index ?? 1) - 1) ?? 0, issued.last, write);
    issued.replace(entries);
    this.#memory.pendingWrites += 1;
    await this.#store.append(write);
    this.#memory.persisted(write.ballot, entries);
  }

  async reset(base: LogBase): Promise<void> {
    this.#memory.issued.reset(base);
    this.#memory.pendingWrites += 1;
    await this.#store.reset(base);
    this.#memory.pendingWrites -= 1;
    this.#memory.durable.reset(base);
  }

  compact(base: LogBase): Promise<void> {
    return this.#store.compact(base);
  }

  read(from: number, to: number, maxBytes: number): Promise<Entry[]> {
    return this.#store.read(from, to, maxBytes);
  }

  onFull(listener: (full: boolean) => void): void {
    this.#store.onFull(listener);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
