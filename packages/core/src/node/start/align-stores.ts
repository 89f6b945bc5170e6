import { isKontikiError, KontikiError } from '../../errors.js';
import type { StoreLife } from '../../log/store-life.js';
import type { LogState, LogStore, Owner } from '../../ports/log-store.js';
import { silentLogger } from '../../ports/logger.js';
import type { SnapshotInfo, SnapshotStore } from '../../ports/snapshot-store.js';
import { restore } from '../apply/restore.js';
import type { NodeOptions } from '../options.js';
import { countStart } from './count-start.js';

/** The parts of a node that store data. */
type Parts = Pick<NodeOptions<unknown>, 'log' | 'snapshots' | 'machine' | 'snapshotCompression' | 'logger' | 'random'>;

/** The aligned stores: the state machine has applied the log's entries up to `applied`. */
export interface AlignedStores {
  readonly state: LogState;
  /** The log store, with this start counted; undefined if it has no id yet. */
  readonly life: StoreLife | undefined;
  readonly applied: number;
  /** The newest usable snapshot. */
  readonly snapshot: SnapshotInfo | undefined;
  /** Ids of damaged snapshots. */
  readonly damaged: readonly string[];
}

/** Opens log, snapshots and state machine, aligns them, and counts this start in the log. */
export async function alignStores(
  parts: Parts,
  owner: Owner,
  onOpened: (store: LogStore | SnapshotStore) => void = () => {},
): Promise<AlignedStores> {
  const aligned = await align(parts, owner, onOpened);
  return { ...aligned, life: await countStart(parts.log, aligned.state, parts.random ?? Math.random) };
}

/**
 * Opens log, snapshots and state machine, and aligns them. There must be no gap between the newest
 * complete snapshot and the log, and the machine must have applied all compacted entries. Finishes
 * an install that a crash interrupted. Rejects if there is a gap, because a skipped entry would
 * never be noticed.
 */
async function align(
  { log, snapshots, machine, snapshotCompression, logger = silentLogger }: Parts,
  owner: Owner,
  onOpened: (store: LogStore | SnapshotStore) => void,
): Promise<Omit<AlignedStores, 'life'>> {
  const opened = await log.open(owner);
  onOpened(log);
  if (snapshots !== undefined) {
    await snapshots.open(owner);
    onOpened(snapshots);
  }
  const held = (await machine.open?.(owner)) ?? 0;
  const infos = (await snapshots?.list()) ?? [];
  checkLogMatches(opened, infos);
  const damaged: string[] = [];
  for (const snapshot of infos) {
    const { last } = snapshot;
    if (last.index < opened.base.index) break;
    if (held < last.index && snapshots !== undefined) {
      try {
        await restore(machine, snapshots, snapshot, snapshotCompression);
      } catch (error) {
        if (!isKontikiError(error, 'KONTIKI_CORRUPT')) throw error;
        damaged.push(snapshot.id);
        logger.error('a snapshot is damaged; trying the snapshot before it', { snapshot: snapshot.id, error });
        continue;
      }
    }
    const reaches = holds(opened, snapshot);
    const state = reaches
      ? { ...opened, committed: Math.max(opened.committed, last.index) }
      : replaced(opened, snapshot);
    const aligned = check({ state, applied: Math.max(held, last.index), snapshot, damaged });
    if (!reaches) await log.reset(state.base);
    return aligned;
  }
  return check({ state: opened, applied: held, snapshot: undefined, damaged });
}

/** Returns whether the log contains the last entry of a snapshot. */
function holds({ base, last, terms }: LogState, { last: { index, term } }: SnapshotInfo): boolean {
  if (index === base.index) return term === base.term;
  if (index > last) return false;
  return termAt({ base, terms }, index) === term;
}

/**
 * Returns the state of a log after a snapshot replaced it. Every entry of the log is covered by the
 * snapshot or contradicts a committed entry.
 */
function replaced(state: LogState, { last, membership, genesis }: SnapshotInfo): LogState {
  const base = { ...last, membership, genesis };
  return { ...state, base, last: last.index, terms: [], memberships: [], committed: last.index, genesis };
}

function check<T extends Pick<AlignedStores, 'state' | 'applied'>>(aligned: T): T {
  const { state, applied } = aligned;
  if (applied < state.base.index) {
    throw new KontikiError(
      'KONTIKI_LOST_DATA',
      `The log begins after entry ${state.base.index}, but no complete snapshot reaches it: entries ${applied + 1} to ${state.base.index} are lost on this server. Restore the snapshots, or remove this server from the cluster and add a new id.`,
    );
  }
  if (applied > state.last) {
    throw new KontikiError(
      'KONTIKI_LOST_DATA',
      `The state machine has applied entry ${applied}, but the log ends at ${state.last}: part of the log was lost, or log and state machine belong to different servers. Restore the log, or remove this server from the cluster and add a new id.`,
    );
  }
  return aligned;
}

/**
 * Refuses snapshots that do not belong to the history of the log. A server has a ballot before it
 * has a snapshot, since it takes and receives snapshots only in a term that a leader has won. So a
 * log without a ballot, or with an older one, was lost and created again, for example by a
 * repeated bootstrap. Continuing would forget votes and acknowledgements.
 */
function checkLogMatches({ ballot, base, last, terms, committed }: LogState, infos: readonly SnapshotInfo[]): void {
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
