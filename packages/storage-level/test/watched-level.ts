import { MemoryLevel } from 'memory-level';

type Operation = { readonly type: 'put' | 'del'; readonly key: Uint8Array; readonly value?: Uint8Array };

/** A database that records its calls, and that can be made to delay them or let them fail. */
export class WatchedLevel extends MemoryLevel {
  readonly batches: { readonly operations: readonly Operation[]; readonly sync: boolean }[] = [];
  /** The highest number of concurrent batches. */
  mostBatches = 0;
  #batches = 0;
  /** Number of keys and values read so far. */
  read = 0;
  /** Called once, as soon as a search has found its results but before it returns them. */
  onFound: () => Promise<void> = () => Promise.resolve();
  /** The error that calls to delete a range reject with; undefined to let these calls succeed. */
  clearError: Error | undefined;

  async _clear(options: unknown): Promise<void> {
    if (this.clearError !== undefined) throw this.clearError;
    await (super['_clear' as never] as (...all: unknown[]) => Promise<void>).call(this, options);
  }

  async _batch(operations: Operation[], options: { readonly sync?: boolean }): Promise<void> {
    this.batches.push({ operations: operations.map((one) => ({ ...one })), sync: options.sync === true });
    this.#batches += 1;
    this.mostBatches = Math.max(this.mostBatches, this.#batches);
    await (super['_batch' as never] as (...all: unknown[]) => Promise<void>).call(this, operations, options);
    this.#batches -= 1;
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
      const { onFound } = this;
      this.onFound = () => Promise.resolve();
      await onFound();
      return found;
    };
    return iterator;
  }
}
