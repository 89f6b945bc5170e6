import { Worker } from 'node:worker_threads';
import { keep } from './corpus.js';
import type { Job, Report } from './worker.js';

/** Milliseconds after which an execution that has not ended is considered hung. */
const HANG_MS = 20_000;
const MAX_INPUT = 256 * 1024;
/** Size in MiB of a worker's heap. A reader that needs more memory fails with an error. */
const MAX_HEAP = 512;

export interface RunOptions extends Omit<Job, 'target' | 'shared'> {
  /** Whether inputs that reach new code are added to the corpus. */
  readonly keepFound: boolean;
  readonly onProgress: (executions: number, found: number) => void;
}

export interface RunResult {
  readonly executions: number;
  readonly accepted: number;
  readonly found: number;
  readonly failure: { readonly text: string; readonly path: string } | undefined;
}

/**
 * Runs one target in a separate thread, so that a hang or an exhausted heap is also reported as a
 * finding.
 */
export async function runTarget(target: string, { keepFound, onProgress, ...options }: RunOptions): Promise<RunResult> {
  const shared = new SharedArrayBuffer(12 + MAX_INPUT);
  const [counters, held] = [new Uint32Array(shared, 0, 3), new Uint8Array(shared, 12)];
  const worker = new Worker(new URL('worker.js', import.meta.url), {
    workerData: { ...options, target, shared } satisfies Job,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP },
  });
  let [found, last, since] = [0, 0, performance.now()];
  let ticks: NodeJS.Timeout | undefined;
  const failed = await new Promise<{ readonly input: Uint8Array; readonly text: string } | undefined>((resolve) => {
    const current = (): Uint8Array => held.slice(0, counters[1]);
    worker.on('message', (report: Report) => {
      if (report.kind === 'done') {
        const { input, error = '' } = report;
        return resolve(input === undefined ? undefined : { input, text: error });
      }
      found += 1;
      if (keepFound) keep(target, 'found', report.input);
    });
    worker.on('error', (error) => resolve({ input: current(), text: error.stack ?? error.message }));
    worker.on('exit', (code) => resolve({ input: current(), text: `The worker exited with code ${code}.` }));
    ticks = setInterval(() => {
      const executions = Atomics.load(counters, 0);
      onProgress(executions, found);
      if (executions !== last) [last, since] = [executions, performance.now()];
      else if (executions > 0 && performance.now() - since > HANG_MS)
        resolve({ input: current(), text: `It did not end within ${HANG_MS / 1_000} s.` });
    }, 250);
  });
  clearInterval(ticks);
  await worker.terminate();
  const failure = failed && { text: failed.text, path: keep(target, 'failed', failed.input) };
  return { executions: Atomics.load(counters, 0), accepted: Atomics.load(counters, 2), found, failure };
}
