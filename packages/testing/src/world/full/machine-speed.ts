import type { Random } from '../../random.js';
import type { Mix } from '../mix.js';

/** Number of commands in a node's first batch, before the node has measured its state machine. */
const FIRST_BATCH = 64;

/** Draws how many milliseconds a slow or weak state machine takes for a batch of commands. */
export function applyMs({ strength, writeEvery }: Mix, commands: number, random: Random): number {
  return random.between(0, strength.slowMachines * 50) + 2 * strength.weakMachines * writeEvery * commands;
}

/** Returns the maximum number of milliseconds that a batch takes. */
export function slowestBatchMs({ strength, writeEvery }: Mix): number {
  return strength.slowMachines * 50 + 2 * strength.weakMachines * writeEvery * FIRST_BATCH;
}
