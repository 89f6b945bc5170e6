import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Job, SeedResult } from './worker.js';

export interface PoolOptions {
  readonly world: Job['world'];
  readonly options: Job['options'];
  /** The worker's script. Default: ours, on the code as it is. */
  readonly script?: URL | undefined;
  /** The next seeds to run; none when there are no more. Seeds already handed out are finished. */
  readonly next: () => readonly number[];
  readonly result: (result: SeedResult) => void;
}

/** Milliseconds after which a world has hung. The slowest take two seconds. */
const HUNG = 120_000;

/** Runs seeds on all cores. Rejects when the code under test throws what it never should, or hangs. */
export async function runPool({ world, options, script, next, result }: PoolOptions): Promise<void> {
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      const worker = new Worker(script ?? new URL('worker.js', import.meta.url));
      let hung: NodeJS.Timeout | undefined;
      const ended = new Promise<void>((resolve, reject) => {
        const feed = (): void => {
          const seeds = next();
          if (seeds.length > 0) worker.postMessage({ world, seeds, options } satisfies Job);
          else resolve();
        };
        hung = setTimeout(() => reject(new Error('a world hung')), HUNG);
        worker.on('message', (message: SeedResult | 'done') => {
          hung?.refresh();
          if (message === 'done') feed();
          else result(message);
        });
        worker.on('error', reject);
        feed();
      });
      try {
        await ended;
      } finally {
        clearTimeout(hung);
        await worker.terminate();
      }
    }),
  );
}
