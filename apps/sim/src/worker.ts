import { parentPort } from 'node:worker_threads';
import { runFastWorld, type Counts, type Invariant, type WorldOptions } from '@kontiki/testing';

/** Seeds to run, in this order. */
export interface Job {
  readonly seeds: readonly number[];
  readonly options: Pick<WorldOptions, 'invariants' | 'seconds' | 'without'>;
}

/** What came of one seed. */
export interface SeedResult {
  readonly seed: number;
  readonly events: number;
  readonly elapsed: number;
  readonly hash: string;
  readonly counts: Counts;
  readonly violation: { readonly invariant: Invariant; readonly message: string } | undefined;
}

parentPort?.on('message', ({ seeds, options }: Job) => {
  for (const seed of seeds) {
    const { events, elapsed, hash, counts, violation } = runFastWorld(seed, options);
    const broken = violation && { invariant: violation.invariant, message: violation.message };
    parentPort?.postMessage({ seed, events, elapsed, hash, counts, violation: broken } satisfies SeedResult);
  }
  parentPort?.postMessage('done');
});
