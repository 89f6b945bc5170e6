import { SystemClock, type Clock, type Entry, type KontikiError, type Owner } from '@kontiki/core';
import { AbstractLog, LogStateTracker, type LogRecord, type OpenedLog } from '@kontiki/core/store';
import { readBlocks } from './block-reader.js';
import { databaseFailure } from './failure.js';
import { FreeSpace, freeBytesOf } from './free-space.js';
import { MOVED, OWNER } from './keys.js';
import { LogWriter } from './log-writer.js';
import { checkName, Namespace, placeOf, type Database, type FreeBytes, type LevelOptions } from './namespace.js';
import { recover } from './recovery.js';
import { encodeMoved, encodeOwner } from './values.js';

export interface LevelLogOptions extends LevelOptions {
  /** The clock that schedules retries when the disk is full. Default: the system clock. */
  readonly clock?: Clock | undefined;
}

/** The parts of an open log. */
interface OpenLevelLog {
  readonly namespace: Namespace;
  readonly space: FreeSpace;
  readonly writer: LogWriter;
}

/**
 * A log in an `abstract-level` database, such as LevelDB, IndexedDB or memory. Calls that arrive
 * while a batch is being written form the next batch, and each batch is written atomically. The log
 * opens the database if necessary, but never closes it, because other stores may use it.
 */
export class LevelLog extends AbstractLog {
  readonly #database: Database;
  readonly #path: readonly string[];
  readonly #freeBytes: FreeBytes;
  readonly #clock: Clock;
  #opened: OpenLevelLog | undefined;

  constructor(database: Database, { name = 'kontiki', freeBytes, clock }: LevelLogOptions = {}) {
    super();
    this.#database = database;
    this.#path = [checkName(name), 'log'];
    this.#freeBytes = freeBytes ?? freeBytesOf(database);
    this.#clock = clock ?? new SystemClock();
  }

  override close(): Promise<void> {
    // Closing the log waits for its writes, so first reject any write that is waiting for room.
    this.#opened?.space.close();
    return super.close();
  }

  protected override get _where(): string {
    return placeOf(this.#path);
  }

  protected override async _open(owner: Owner): Promise<OpenedLog> {
    const namespace = await Namespace.open(this.#database, this.#path);
    try {
      const found = await recover(namespace, owner);
      const recovered = found ?? { tracker: new LogStateTracker(), generation: 0, block: 0 };
      const writer = new LogWriter(namespace, recovered, (error) => this.fail(error));
      await writer.start(found === undefined ? [{ type: 'put', key: OWNER, value: encodeOwner(owner) }] : []);
      const space = new FreeSpace(this.#freeBytes, this.#clock, (full) => this.setFull(full));
      this.#opened = { namespace, space, writer };
      await space.measure();
      return { tracker: recovered.tracker };
    } catch (error) {
      await namespace.close();
      throw error;
    }
  }

  protected override async _write(records: readonly LogRecord[]): Promise<void> {
    const { space, writer } = this.#parts;
    await space.waitForRoom();
    await writer.write(records);
  }

  protected override _read(from: number, to: number, maxBytes: number): Promise<readonly Entry[]> {
    const { namespace, writer } = this.#parts;
    return readBlocks(namespace, writer.generation, from, to, maxBytes);
  }

  protected override _retire(where: string): Promise<void> {
    return this.#parts.namespace.write([{ type: 'put', key: MOVED, value: encodeMoved(where) }]);
  }

  protected override async _close(): Promise<void> {
    const { namespace, space, writer } = this.#parts;
    space.close();
    try {
      await writer.close();
    } finally {
      await namespace.close();
    }
  }

  get #parts(): OpenLevelLog {
    return this.#opened as OpenLevelLog;
  }

  protected override _failure(action: string, error: unknown): KontikiError {
    return databaseFailure(action, error);
  }
}
