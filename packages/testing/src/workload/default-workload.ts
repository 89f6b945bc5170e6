import { Random } from '../random.js';
import { KeyValueWorkload } from './key-value.js';
import { SessionWorkload } from './session-workload.js';
import type { Workload } from './workload.js';

/** Returns the workload of a seed: in a third of the worlds, clients use sessions. */
export function defaultWorkload(seed: number): Workload {
  return new Random(seed, 'sessions').chance(1 / 3) ? new SessionWorkload() : new KeyValueWorkload();
}
