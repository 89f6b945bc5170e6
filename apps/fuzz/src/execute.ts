import { getHeapStatistics } from 'node:v8';
import { accepts, type Target } from './target.js';

/** Time limit of one execution in milliseconds, and additional milliseconds per KiB of input. */
const MAX_MS = 100;
const MAX_MS_PER_KIB = 10;
const ALLOCATED_BYTES = 1024 * 1024;
const ALLOCATED_BYTES_PER_BYTE = 64;

/**
 * Number of times that an execution is repeated if it exceeds a limit. Only the lowest measurement
 * counts.
 */
const REPETITIONS = 4;

/** Returns the number of bytes that this thread uses, both on and outside its heap. */
function heldBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}

interface Execution {
  readonly accepted: boolean;
  readonly ms: number;
  readonly bytes: number;
}

async function measure(target: Target, input: Uint8Array): Promise<Execution> {
  const [held, start] = [heldBytes(), performance.now()];
  const accepted = await accepts(target, input);
  return { accepted, ms: performance.now() - start, bytes: heldBytes() - held };
}

/**
 * Executes a target once, and returns whether it accepted the input. Rejects if the target throws
 * an error that is not documented, takes too long or allocates too much. A garbage collection or a
 * busy machine can distort one measurement, so only a limit that is exceeded every time counts.
 */
export async function execute(target: Target, input: Uint8Array): Promise<boolean> {
  const maxMs = MAX_MS + (MAX_MS_PER_KIB * input.length) / 1_024;
  const maxBytes = (target.allocatedBytes ?? ALLOCATED_BYTES) + ALLOCATED_BYTES_PER_BYTE * input.length;
  let { accepted, ...cost } = await measure(target, input);
  for (let i = 0; i < REPETITIONS && (cost.ms > maxMs || cost.bytes > maxBytes); i += 1) {
    const again = await measure(target, input);
    cost = { ms: Math.min(cost.ms, again.ms), bytes: Math.min(cost.bytes, again.bytes) };
  }
  if (cost.ms > maxMs) throw new Error(`It took ${Math.ceil(cost.ms)} ms, more than ${Math.ceil(maxMs)}.`);
  if (cost.bytes > maxBytes) throw new Error(`It allocated ${cost.bytes} bytes, more than ${maxBytes}.`);
  return accepted;
}
