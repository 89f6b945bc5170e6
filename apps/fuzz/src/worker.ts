import { parentPort, workerData } from 'node:worker_threads';
import { runFastCheck, runGuided } from './engines.js';
import { targets } from './targets/index.js';

/** The work of one worker thread. */
export interface Job {
  readonly target: string;
  readonly seed: number;
  readonly runs: number;
  readonly seconds: number;
  readonly guided: boolean;
  /**
   * Memory shared with the main thread. It contains the number of executions (4 bytes), the length
   * of the newest input (4), the number of accepted inputs (4), and the newest input.
   */
  readonly shared: SharedArrayBuffer;
}

/** A message from a worker. */
export type Report =
  | { readonly kind: 'found'; readonly input: Uint8Array }
  | { readonly kind: 'done'; readonly input?: Uint8Array; readonly error?: string };

const { target: name, seed, runs, seconds, guided, shared } = workerData as Job;
const [counters, held] = [new Uint32Array(shared, 0, 3), new Uint8Array(shared, 12)];
const target = targets.find((one) => one.name === name);
if (target === undefined) throw new Error(`There is no target ${name}.`);

const finding = await (guided ? runGuided : runFastCheck)(target, {
  seed,
  runs,
  seconds,
  onInput: (input) => {
    held.set(input.subarray(0, held.length));
    counters[1] = Math.min(input.length, held.length);
    Atomics.add(counters, 0, 1);
  },
  onAccepted: () => void Atomics.add(counters, 2, 1),
  onFound: (input) => parentPort?.postMessage({ kind: 'found', input } satisfies Report),
});
await target.close?.();
const { input, error } = finding ?? {};
const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
const done: Report = input === undefined ? { kind: 'done' } : { kind: 'done', input, error: text };
parentPort?.postMessage(done);
