import { parentPort } from 'node:worker_threads';
import type { Counts, Invariant } from '@kontiki/testing';
import { runWorld, type Options, type World } from './worlds.js';

/** Seeds that a worker runs, in order. */
export interface Job {
  readonly world: World;
  readonly seeds: readonly number[];
  readonly options: Omit<Options, 'trace'>;
}

/** Result of one seed. */
export interface SeedResult {
  readonly seed: number;
  readonly events: number;
  readonly elapsed: number;
  readonly hash: string;
  readonly counts: Counts;
  readonly violation: { readonly invariant: Invariant; readonly message: string } | undefined;
}

async function run({ world, seeds, options }: Job): Promise<void> {
  for (const seed of seeds) {
    const { events, elapsed, hash, counts, violation } = await runWorld(world, seed, options);
    const plainViolation = violation && { invariant: violation.invariant, message: violation.message };
    parentPort?.postMessage({ seed, events, elapsed, hash, counts, violation: plainViolation } satisfies SeedResult);
  }
  parentPort?.postMessage('done');
}

// An error other than a violation is a bug in the code under test and ends the worker.
parentPort?.on('message', (job: Job) => void run(job));
