import type { Entry } from '../log/entry.js';
import type { Owner } from '../ports/log-store.js';
import { AbstractLog, type OpenedLog } from '../store/abstract-log.js';
import { checkOwner } from '../store/check-owner.js';
import { LogStateTracker } from '../store/log-state-tracker.js';
import { movedError } from '../store/moved.js';
import type { LogRecord } from '../store/record.js';

/**
 * A log in memory, for tests and for clusters that may lose their data. Every write counts as
 * durable immediately. A log object keeps its entries when it is closed and reopened; a new object
 * is blank.
 */
export class MemoryLog extends AbstractLog {
  #owner: Owner | undefined;
  readonly #tracker = new LogStateTracker();
  /** The log's entries after its base. */
  #entries: Entry[] = [];
  /** The location to which the server moved; undefined until the log is retired. */
  #movedTo: string | undefined;

  protected override get _where(): string {
    return 'memory';
  }

  protected override async _open(owner: Owner): Promise<OpenedLog> {
    checkOwner('The log in memory', this.#owner ?? owner, owner);
    if (this.#movedTo !== undefined) throw movedError('The log in memory', this.#movedTo);
    this.#owner = owner;
    return { tracker: this.#tracker };
  }

  protected override _write(records: readonly LogRecord[]): void {
    for (const record of records) {
      const base = this.#tracker.base.index;
      this.#tracker.apply(record);
      if (record.kind === 'reset') this.#entries = [];
      else if (record.kind === 'compact') this.#entries = this.#entries.slice(this.#tracker.base.index - base);
      else if (record.entries?.[0] !== undefined) {
        this.#entries.length = record.entries[0].index - base - 1;
        for (const entry of record.entries) this.#entries.push(entry);
      }
    }
  }

  protected override async _read(from: number, to: number): Promise<readonly Entry[]> {
    const base = this.#tracker.base.index;
    return this.#entries.slice(from - base - 1, to - base);
  }

  protected override async _retire(where: string): Promise<void> {
    this.#movedTo = where;
  }

  protected override async _close(): Promise<void> {}
}
