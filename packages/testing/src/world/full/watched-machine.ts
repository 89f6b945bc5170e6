import type { ApplyBatch, Owner, RestorePoint, StateMachine } from '@kontiki/core';

/** Callbacks for the calls of a state machine. */
export interface MachineWatcher {
  /** The machine applied a batch. `after` is the index that it had applied before. */
  applied(batch: ApplyBatch, results: readonly unknown[], after: number): void;
  /**
   * The machine has the state of the index `through`: it is about to be snapshotted, or was
   * restored.
   */
  hasState(through: number): void;
}

/**
 * Wraps a state machine, reports its calls to a watcher, and delays them in worlds with slow
 * machines.
 */
export class WatchedMachine<Machine extends StateMachine> implements StateMachine {
  readonly inner: Machine;
  /** The index of the last entry in the machine's state. */
  through = 0;
  // Optional methods that the machine lacks stay undefined.
  readonly open?: (owner: Owner) => Promise<number>;
  readonly snapshot?: () => AsyncIterable<Uint8Array>;
  readonly restore?: (chunks: AsyncIterable<Uint8Array>, at: RestorePoint) => Promise<void>;
  readonly blocksApply: boolean;
  readonly version: number;
  readonly #watcher: MachineWatcher;
  readonly #delay: () => Promise<void> | undefined;

  /** `delay` returns a promise that `apply` awaits first, or undefined. */
  constructor(inner: Machine, watcher: MachineWatcher, delay: () => Promise<void> | undefined) {
    this.inner = inner;
    this.#watcher = watcher;
    this.#delay = delay;
    this.blocksApply = inner.blocksApply ?? false;
    this.version = inner.version ?? 0;
    if (inner.open !== undefined) this.open = async (owner) => (this.through = (await inner.open?.(owner)) ?? 0);
    if (inner.snapshot !== undefined) {
      this.snapshot = () => {
        watcher.hasState(this.through);
        return inner.snapshot?.() ?? nothing();
      };
    }
    if (inner.restore === undefined) return;
    this.restore = async (chunks, at) => {
      await inner.restore?.(chunks, at);
      this.through = at.index;
      watcher.hasState(at.index);
    };
  }

  apply(batch: ApplyBatch): readonly unknown[] | Promise<readonly unknown[]> {
    const delay = this.#delay();
    return delay === undefined ? this.#apply(batch) : delay.then(() => this.#apply(batch));
  }

  /** Applies a batch. Stays synchronous if the machine is. */
  #apply(batch: ApplyBatch): readonly unknown[] | Promise<readonly unknown[]> {
    const results = this.inner.apply(batch);
    return results instanceof Promise
      ? results.then((settled) => this.#applied(batch, settled))
      : this.#applied(batch, results);
  }

  #applied(batch: ApplyBatch, results: readonly unknown[]): readonly unknown[] {
    const after = this.through;
    this.through = batch.through;
    this.#watcher.applied(batch, results, after);
    return results;
  }
}

async function* nothing(): AsyncIterable<Uint8Array> {}
