import type { ApplyBatch, Owner, RestorePoint, StateMachine } from '@kontiki/core';

/** Is told what a machine was given, and what it gave. `after`: everything up to here was in its state before. */
export interface MachineWatcher {
  applied(batch: ApplyBatch, results: readonly unknown[], after: number): void;
  /** It is asked for its state as of `through`, or has taken one over. */
  looked(through: number): void;
}

/** A state machine that is watched, and takes its time where it should. */
export class WatchedMachine<Machine extends StateMachine> implements StateMachine {
  readonly inner: Machine;
  /** Everything up to here is in its state. */
  through = 0;
  // What the machine lacks, this one lacks too.
  readonly open?: (owner: Owner) => Promise<number>;
  readonly snapshot?: () => AsyncIterable<Uint8Array>;
  readonly restore?: (chunks: AsyncIterable<Uint8Array>, at: RestorePoint) => Promise<void>;
  readonly blocksApply: boolean;
  readonly version: number;
  readonly #watcher: MachineWatcher;
  readonly #delay: () => Promise<void> | undefined;

  /** `delay`: what applying a batch waits for first. */
  constructor(inner: Machine, watcher: MachineWatcher, delay: () => Promise<void> | undefined) {
    this.inner = inner;
    this.#watcher = watcher;
    this.#delay = delay;
    this.blocksApply = inner.blocksApply ?? false;
    this.version = inner.version ?? 0;
    if (inner.open !== undefined) this.open = async (owner) => (this.through = (await inner.open?.(owner)) ?? 0);
    if (inner.snapshot !== undefined) {
      this.snapshot = () => {
        watcher.looked(this.through);
        return inner.snapshot?.() ?? nothing();
      };
    }
    if (inner.restore === undefined) return;
    this.restore = async (chunks, at) => {
      await inner.restore?.(chunks, at);
      this.through = at.index;
      watcher.looked(at.index);
    };
  }

  apply(batch: ApplyBatch): readonly unknown[] | Promise<readonly unknown[]> {
    const delay = this.#delay();
    return delay === undefined ? this.#apply(batch) : delay.then(() => this.#apply(batch));
  }

  /** Asynchronous only if the machine is. */
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
