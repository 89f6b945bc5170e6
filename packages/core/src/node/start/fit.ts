import { KontikiError } from '../../errors.js';
import type { LogState } from '../../ports/log-store.js';
import type { SnapshotInfo } from '../../ports/snapshot-store.js';

/** Returns whether the log contains the last entry of a snapshot. */
export function holds({ base, last, terms }: LogState, { last: { index, term } }: SnapshotInfo): boolean {
  if (index === base.index) return term === base.term;
  if (index > last) return false;
  return termAt({ base, terms }, index) === term;
}

/**
 * Returns the state of a log after a snapshot has replaced it. Every entry in the log is either
 * covered by the snapshot or contradicts a committed entry.
 */
export function replaced(state: LogState, { last, membership, genesis }: SnapshotInfo): LogState {
  const base = { ...last, membership, genesis };
  return { ...state, base, last: last.index, terms: [], memberships: [], committed: last.index, genesis };
}

/**
 * Throws if a snapshot does not belong to the log's history. A server takes and receives snapshots
 * only in a term that a leader has won, so it has a ballot before it has a snapshot. A log without
 * a ballot, or with an older ballot, was lost and created again, for example by a second bootstrap.
 * Without this check, the server would run even though it has forgotten votes and acknowledgements.
 */
export function checkLogMatches(
  { ballot, base, last, terms, committed }: LogState,
  infos: readonly SnapshotInfo[],
): void {
  for (const { last: end } of infos) {
    const term = Math.max(ballot?.term ?? 0, terms.at(-1)?.term ?? base.term);
    if (ballot === undefined || term < end.term) {
      const holds = last === 0 ? 'is blank' : `ends at entry ${last} of term ${term}`;
      throw new KontikiError(
        'KONTIKI_LOST_DATA',
        `There is a snapshot of entry ${end.index} of term ${end.term}, but the log ${holds}. So the log was lost, and with it this server's votes. Restore the log, or remove this server from the cluster and add a new id.`,
      );
    }
    const own = end.index < base.index ? undefined : termAt({ base, terms }, end.index);
    if (end.index <= committed && own !== undefined && own !== end.term) {
      throw new KontikiError(
        'KONTIKI_CONTRADICTION',
        `A snapshot ends with entry ${end.index} of term ${end.term}, but the log has committed an entry of term ${own} there. They belong to different histories. Nothing was changed. Remove the snapshot if the log is right; otherwise remove this server from the cluster and add a new id.`,
      );
    }
  }
}

function termAt({ base, terms }: Pick<LogState, 'base' | 'terms'>, index: number): number {
  return terms.findLast((first) => first.index <= index)?.term ?? base.term;
}
