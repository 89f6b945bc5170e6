import { entryBytes } from '../../log/entry.js';
import type { RaftLog } from '../../log/raft-log.js';
import type { SnapshotPolicy } from './policy.js';

/**
 * Returns the index up to which the log may be compacted after a snapshot that ends at `snapshot`.
 * The policy's trailing entries stay in the log for followers that are only a few entries behind,
 * provided that they are still in memory. Entries after `needed` also stay in the log, because some
 * peers have not received them yet.
 */
export function compactionIndex(log: RaftLog, snapshot: number, needed: number, policy: SnapshotPolicy): number {
  let kept = snapshot;
  for (let bytes = 0; snapshot - kept < policy.trailingEntries; kept -= 1) {
    const entry = log.entry(kept);
    if (entry === undefined) break;
    bytes += entryBytes(entry);
    if (bytes > policy.trailingBytes) break;
  }
  // A received snapshot may cover entries that this server has not applied yet.
  return Math.min(kept, needed, log.applied, log.durable);
}
