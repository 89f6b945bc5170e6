import type { ApplyBatch, Owner, RestorePoint, StateMachine } from '@kontiki/core';

/** Callbacks for calls to a state machine. */
export interface MachineWatcher {
  /**
   * Called when the machine has applied a batch. `after` is the last index that was applied before
   * the batch.
   */
  applied(batch: ApplyBatch, results: readonly unknown[], after: number): void;
  /**
   * Called before the machine takes a snapshot and after a restore. The argument is the last
   * applied index.
   */
  hasState(through: number): void;
}

/**
 * A wrapper around a state machine. It reports calls to a watcher, and delays `apply` in worlds
 * with slow machines.
 */
export class WatchedMachine<Machine extends StateMachine> implements StateMachine {
  readonly inner: Machine;
  /** The index of the last entry that is part of the machine's state. */
  through = 0;
  // Optional methods that the wrapped machine does not have stay undefined.
  readonly open?: (owner: Owner) => Promise<number>;
  readonly snapshot?: () => AsyncIterable<Uint8Array>;
  readonly restore?: (chunks: AsyncIterable<Uint8Array>, at: RestorePoint) => Promise<void>;
  readonly blocksApply: boolean;
  readonly version: number;
  readonly behavior: number | undefined;
  readonly #watcher: MachineWatcher;
  readonly #delay: (commands: number) => Promise<void> | undefined;

  /**
   * Wraps a machine. `delay` returns a promise that `apply` awaits first, or undefined for no
   * delay.
   */
  constructor(inner: Machine, watcher: MachineWatcher, delay: (commands: number) => Promise<void> | undefined) {
    this.inner = inner;
    this.#watcher = watcher;
    this.#delay = delay;
    this.blocksApply = inner.blocksApply ?? false;
    this.version = inner.version ?? 0;
    this.behavior = inner.behavior;
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

  get nextExpiry(): number | undefined {
    return this.inner.nextExpiry;
  }

  apply(batch: ApplyBatch): readonly unknown[] | Promise<readonly unknown[]> {
    const delay = this.#delay(batch.entries.length);
    return delay === undefined ? this.#apply(batch) : delay.then(() => this.#apply(batch));
  }

  /** Applies a batch. The call is synchronous if the machine's `apply` is synchronous. */
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
    // A machine may modify the commands that it receives. The log must not change as a result.
    for (const { data } of batch.entries) data.fill(0xa5);
    return results;
  }
}

async function* nothing(): AsyncIterable<Uint8Array> {}
