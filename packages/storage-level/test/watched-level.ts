import { MemoryLevel } from 'memory-level';

type Operation = { readonly type: 'put' | 'del'; readonly key: Uint8Array; readonly value?: Uint8Array };

/** A database that writes down what it is asked. */
export class WatchedLevel extends MemoryLevel {
  readonly batches: { readonly operations: readonly Operation[]; readonly sync: boolean }[] = [];
  /** Batches under way at a time, at the most. */
  most = 0;
  #under = 0;
  read = 0;
  /** Comes after the next block that is looked for, before it is given. */
  meanwhile: () => Promise<void> = () => Promise.resolve();
  clearing: Error | undefined;

  async _clear(options: unknown): Promise<void> {
    if (this.clearing !== undefined) throw this.clearing;
    await (super['_clear' as never] as (...all: unknown[]) => Promise<void>).call(this, options);
  }

  async _batch(operations: Operation[], options: { readonly sync?: boolean }): Promise<void> {
    this.batches.push({ operations: operations.map((one) => ({ ...one })), sync: options.sync === true });
    this.#under += 1;
    this.most = Math.max(this.most, this.#under);
    await (super['_batch' as never] as (...all: unknown[]) => Promise<void>).call(this, operations, options);
    this.#under -= 1;
  }

  async _getMany(keys: unknown[], options: unknown): Promise<unknown[]> {
    this.read += keys.length;
    return (super['_getMany' as never] as (...all: unknown[]) => Promise<unknown[]>).call(this, keys, options);
  }

  _iterator(options: unknown): unknown {
    const iterator = (super['_iterator' as never] as (...all: unknown[]) => object).call(this, options) as {
      _nextv(...all: unknown[]): Promise<unknown[]>;
      _next(): Promise<unknown>;
      _all(...all: unknown[]): Promise<unknown[]>;
    };
    const [one, all] = [iterator._next.bind(iterator), iterator._all.bind(iterator)];
    iterator._next = async () => {
      this.read += 1;
      return one();
    };
    iterator._all = async (...given) => {
      const found = await all(...given);
      this.read += found.length;
      const { meanwhile } = this;
      this.meanwhile = () => Promise.resolve();
      await meanwhile();
      return found;
    };
    return iterator;
  }
}

/** All keys and values of a database. */
