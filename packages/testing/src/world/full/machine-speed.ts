import type { Random } from '../../random.js';
import type { Mix } from '../mix.js';

/** Commands in the first batch of a node, before it has measured its state machine. */
const FIRST_BATCH = 64;

/** Draws how many milliseconds a slow or weak state machine takes for a batch of commands. */
export function applyMs({ strength, writeEvery }: Mix, commands: number, random: Random): number {
  return random.between(0, strength.slowMachines * 50) + 2 * strength.weakMachines * writeEvery * commands;
}

/** Returns how many milliseconds a batch takes at most. */
export function slowestBatchMs({ strength, writeEvery }: Mix): number {
  return strength.slowMachines * 50 + 2 * strength.weakMachines * writeEvery * FIRST_BATCH;
}
