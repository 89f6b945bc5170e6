import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Job, SeedResult } from './worker.js';

export interface PoolOptions {
  readonly world: Job['world'];
  readonly options: Job['options'];
  /** The script that a worker runs. Default: the worker of this package, without a mutant. */
  readonly script?: URL | undefined;
  /**
   * Called when a worker is idle. Returns the next seeds for the worker. An empty list ends this
   * worker, while the other workers finish their seeds.
   */
  readonly nextSeeds: () => readonly number[];
  readonly onResult: (result: SeedResult) => void;
}

/**
 * Milliseconds without a result after which a world is considered hung. Even the slowest worlds
 * take only two seconds.
 */
const HANG_TIMEOUT = 120_000;

/** Runs seeds on all cores. Rejects if the code under test throws an unexpected error or hangs. */
export async function runPool({ world, options, script, nextSeeds, onResult }: PoolOptions): Promise<void> {
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      const worker = new Worker(script ?? new URL('worker.js', import.meta.url));
      let hangTimer: NodeJS.Timeout | undefined;
      const ended = new Promise<void>((resolve, reject) => {
        const feed = (): void => {
          const seeds = nextSeeds();
          if (seeds.length > 0) worker.postMessage({ world, seeds, options } satisfies Job);
          else resolve();
        };
        hangTimer = setTimeout(
          () => reject(new Error(`A worker reported no result for ${HANG_TIMEOUT / 1_000} s, so its world hangs.`)),
          HANG_TIMEOUT,
        );
        worker.on('message', (message: SeedResult | 'done') => {
          hangTimer?.refresh();
          if (message === 'done') feed();
          else onResult(message);
        });
        worker.on('error', reject);
        feed();
      });
      try {
        await ended;
      } finally {
        clearTimeout(hangTimer);
        await worker.terminate();
      }
    }),
  );
}
