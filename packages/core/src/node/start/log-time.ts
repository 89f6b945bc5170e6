import type { LogState, LogStore } from '../../ports/log-store.js';
import type { SnapshotInfo } from '../../ports/snapshot-store.js';

/**
 * Resolves with the log time of an entry that is in the log or covered by its newest snapshot.
 * Resolves with 0 if the entry has no log time. The base of the log needs no log time of its own,
 * because a server whose log ends at the base has the snapshot.
 */
export async function logTimeAt(
  index: number,
  log: LogStore,
  { base }: LogState,
  snapshot: SnapshotInfo | undefined,
): Promise<number> {
  if (index === snapshot?.last.index || index <= base.index) return snapshot?.time ?? 0;
  const [entry] = await log.read(index, index, 0);
  return entry?.time ?? 0;
}
