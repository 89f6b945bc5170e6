import type { Clock } from '../ports/clock.js';

/**
 * Returns the wall clock minus the monotonic time `now`, in milliseconds; 0 if the clock has no wall
 * clock.
 */
export function wallOffset(clock: Clock, now: number): number {
  return (clock.wall?.() ?? now) - now;
}
