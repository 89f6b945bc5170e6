import type { Clock, LogState } from '@kontiki/core';
import type { Environment } from '../../workload/workload.js';
import type { NodeContext } from './context.js';

/** The durable state of a server's log, and the last index covered by a snapshot. */
export interface DurableState {
  readonly state: LogState;
  readonly covered: number;
}

/** A clock for stores that are opened only to be read. */
export const frozenClock: Clock = { now: () => 0, defer() {}, timer: () => ({ set() {}, close() {} }) };

/** Opens and closes the stores in a folder, and returns their contents. */
export async function readStores(
  { cluster, makeLog, makeSnapshots }: NodeContext,
  environment: Environment,
): Promise<DurableState> {
  const [log, snapshots] = [makeLog(environment), makeSnapshots?.(environment)];
  const owner = { cluster, server: environment.id };
  const state = await log.open(owner);
  await snapshots?.open(owner);
  const covered = (await snapshots?.list())?.[0]?.last.index ?? 0;
  await Promise.all([log.close(), snapshots?.close()]);
  return { state, covered };
}
