import type { Folder, Lock } from '@kontiki/files';
import { AbstractIterator, AbstractLevel, type AbstractIteratorOptions } from 'abstract-level';
import { Journal } from './journal.js';
import type { Change } from './record.js';
import { Table, type Pair, type Range } from './table.js';

export interface SimulatedLevelOptions {
  /**
   * Whether damaged batches are skipped and thereby lost, as in LevelDB. If false, `open` rejects
   * if a batch is damaged. Default: false.
   */
  readonly skipsDamagedBatches?: boolean | undefined;
}

/** Number of pairs that an iterator reads from the disk at once. */
const FETCHED = 100;

type Encoded =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array };

/**
 * A small `abstract-level` database on a `Folder` of `@kontiki/files`. On the folder of a
 * `SimulatedDisk`, tests can crash, fail, fill up and damage the database of a store.
 *
 * It makes only the following guarantees, so that tests expose a store that relies on more. Batches
 * are atomic. When a batch with `sync: true` resolves, it and all earlier batches are durable. A
 * crash may lose any other batch. A batch in progress during a crash may or may not survive.
 */
export class SimulatedLevel extends AbstractLevel<Uint8Array, string, string> {
  readonly #folder: Folder;
  readonly #skipsDamagedBatches: boolean;
  #table = new Table();
  #journal: Journal | undefined;
  #lock: Lock | undefined;
  /** A promise that settles with the latest write. Writes run one at a time. */
  #writing: Promise<unknown> = Promise.resolve();

  constructor(folder: Folder, { skipsDamagedBatches = false }: SimulatedLevelOptions = {}) {
    super({ encodings: { view: true } });
    this.#folder = folder;
    this.#skipsDamagedBatches = skipsDamagedBatches;
  }

  /** @internal */
  async _open(): Promise<void> {
    const lock = await this.#folder.lock('level').catch((error: unknown) => {
      throw Object.assign(new Error('The database is already open.', { cause: error }), { code: 'LEVEL_LOCKED' });
    });
    try {
      this.#table = new Table();
      this.#journal = new Journal(this.#folder, this.#skipsDamagedBatches);
      await this.#journal.load(this.#table);
      this.#lock = lock;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** @internal */
  async _close(): Promise<void> {
    await this.#writing;
    await this.#journal?.close();
    await this.#lock?.release();
  }

  /** @internal */
  async _get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const value = this.#table.get(key);
    await this.#journal?.touch();
    return value;
  }

  /** @internal */
  async _getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const values = keys.map((key) => this.#table.get(key));
    await this.#journal?.touch();
    return values;
  }

  /** @internal */
  _put(key: Uint8Array, value: Uint8Array, options: object): Promise<void> {
    return this.#write(() => [{ key, value }], options);
  }

  /** @internal */
  _del(key: Uint8Array, options: object): Promise<void> {
    return this.#write(() => [{ key, value: undefined }], options);
  }

  /** @internal */
  _batch(operations: readonly Encoded[], options: object): Promise<void> {
    const changes = operations.map(({ key, ...put }) => ({ key, value: 'value' in put ? put.value : undefined }));
    return this.#write(() => changes, options);
  }

  /** @internal */
  _clear(range: Range): Promise<void> {
    return this.#write(() => this.#table.select(range).map(([key]) => ({ key, value: undefined })), {});
  }

  /** @internal */
  _iterator(options: AbstractIteratorOptions<Uint8Array, Uint8Array>): AbstractIterator<this, Uint8Array, Uint8Array> {
    return new SimulatedIterator<this>(this, options, this.#table.select(options as Range), () =>
      this.#journal?.touch(),
    );
  }

  #write(changed: () => readonly Change[], options: object): Promise<void> {
    const write = this.#writing.then(async () => {
      const changes = changed();
      if (changes.length === 0) return;
      const sync = 'sync' in options && options.sync === true;
      await this.#journal?.write(changes, () => this.#table.select({}).map(([key, value]) => ({ key, value })), sync);
      for (const { key, value } of changes) this.#table.set(key, value?.slice());
    });
    this.#writing = write.catch(() => {});
    return write;
  }
}

class SimulatedIterator<Level> extends AbstractIterator<Level, Uint8Array, Uint8Array> {
  readonly #pairs: readonly Pair[];
  readonly #touch: () => Promise<void> | undefined;
  #at = 0;

  constructor(
    db: Level,
    options: AbstractIteratorOptions<Uint8Array, Uint8Array>,
    pairs: readonly Pair[],
    touch: () => Promise<void> | undefined,
  ) {
    super(db, options);
    this.#pairs = pairs;
    this.#touch = touch;
  }

  /** @internal */
  async _next(): Promise<Pair | undefined> {
    // Read many pairs at once, like a real database.
    if (this.#at % FETCHED === 0) await this.#touch();
    return this.#pairs[this.#at++];
  }
}
