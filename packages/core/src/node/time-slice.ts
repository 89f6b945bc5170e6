import type { Clock } from '../ports/clock.js';

/** Maximum time of work in one piece, in milliseconds, before yielding to messages and timers. */
export const SLICE_MS = 5;

/**
 * Returns a function to await between two steps of long work. At the end of each time slice, it
 * yields to messages and timers.
 */
export function timeSlices(clock: Pick<Clock, 'now' | 'defer'>): () => Promise<void> | undefined {
  let until = clock.now() + SLICE_MS;
  return () => {
    if (clock.now() < until) return undefined;
    return new Promise<void>((resolve) => clock.defer(resolve)).then(() => void (until = clock.now() + SLICE_MS));
  };
}
