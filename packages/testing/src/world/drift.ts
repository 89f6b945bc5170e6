import type { Random } from '../random.js';
import type { LatestTime } from './entries.js';
import type { Mix } from './mix.js';
import type { Schedule } from './schedule.js';

/** Maximum difference between the rate of a server's clock and 1. */
const MAX_DRIFT = 0.1;

/** Draws the rate of a server's clock, in its milliseconds per millisecond of the world. */
export function drawRate({ strength }: Mix, random: Random): number {
  return 1 + strength.drift * random.between(-MAX_DRIFT, MAX_DRIFT);
}

/**
 * Returns a function that computes the highest log time that a server may stamp now. No server ran
 * before the world began, and no clock runs faster than the fastest drifting one. There is no limit
 * in a world whose clocks jump forward.
 */
export function latestLogTime(schedule: Schedule, { strength }: Mix): LatestTime {
  return () => (strength.clockJumps + strength.clockSteps > 0 ? Infinity : schedule.now * (1 + MAX_DRIFT) + 1);
}
