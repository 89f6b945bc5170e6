import type { Ballot, Entry, LogBase, LogState, LogStore, LogWrite, Owner, Position } from '@kontiki/core';

/** Is told what goes through a log. */
export interface LogWatcher {
  /** What is opened is given to the node when this has settled. */
  opened(state: LogState): Promise<void>;
  /** Called before the store is. `prevTerm`: the term before the first entry. */
  issued(prevTerm: number, last: number, write: LogWrite): void;
}

/** What a server's log holds by index: terms only, since equal terms mean equal entries. */
class Terms {
  #terms: number[] = [];
  /** Everything up to here is in a snapshot. */
  #covered = 0;

  /** Whether a snapshot stands for the entry, whose term it does not tell. */
  covers(index: number): boolean {
    return index <= this.#covered;
  }

  /** A snapshot that ends here takes the place of everything. */
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

/** Remembers, for all lives of a server, what its store was given and what it has said is durable. */
export class LogMemory {
  /** Everything that was issued, durable or not. */
  readonly issued: Terms = new Terms();
  /** What the store has said to be durable. */
  readonly durable: Terms = new Terms();
  durableTerm = 0;
  /** Writes that are not durable yet. */
  underWay = 0;

  opened(state: LogState): void {
    this.underWay = 0;
    this.issued.open(state);
    this.durable.open(state);
    this.durableTerm = Math.max(state.ballot?.term ?? 0, this.durable.at(state.last) ?? 0);
  }

  persisted(ballot: Ballot | undefined, entries: readonly Entry[]): void {
    this.underWay -= 1;
    this.durable.replace(entries);
    this.durableTerm = Math.max(this.durableTerm, ballot?.term ?? 0, entries.at(-1)?.term ?? 0);
  }
}

/** A log store whose user and whose promises are watched. */
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
    this.#memory.underWay += 1;
    await this.#store.append(write);
    this.#memory.persisted(write.ballot, entries);
  }

  async reset(base: LogBase): Promise<void> {
    this.#memory.issued.reset(base);
    this.#memory.underWay += 1;
    await this.#store.reset(base);
    this.#memory.underWay -= 1;
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
