import { isKontikiError, KontikiError } from '../../errors.js';
import type { LogState, LogStore, Owner } from '../../ports/log-store.js';
import type { Logger } from '../../ports/logger.js';
import type { SnapshotInfo, SnapshotStore } from '../../ports/snapshot-store.js';
import type { StateMachine } from '../../ports/state-machine.js';
import type { SnapshotCompression } from '../../wire/index.js';
import { restore } from '../restore.js';

interface Parts {
  readonly log: LogStore;
  readonly snapshots: SnapshotStore | undefined;
  readonly machine: StateMachine;
  readonly compression?: SnapshotCompression | undefined;
  readonly logger: Logger;
}

/** What a server begins its life with: a log, and a machine that holds what the entries up to `applied` have done. */
export interface AlignedStores {
  readonly state: LogState;
  readonly applied: number;
  /** The newest snapshot that can be used. */
  readonly snapshot: SnapshotInfo | undefined;
}

/**
 * Opens log, snapshots and machine, and joins them: the newest whole snapshot and the log must meet, and the machine must
 * hold at least what the log no longer does. Finishes an install that a crash interrupted. A gap is refused: an entry
 * that is skipped is never missed.
 */
export async function alignStores(
  { log, snapshots, machine, compression, logger }: Parts,
  owner: Owner,
): Promise<AlignedStores> {
  const opened = await log.open(owner);
  await snapshots?.open(owner);
  const held = (await machine.open?.(owner)) ?? 0;
  const infos = (await snapshots?.list()) ?? [];
  if (infos.length > 0 && opened.ballot === undefined && opened.last === 0) throw lostLog(infos[0] as SnapshotInfo);
  for (const snapshot of infos) {
    const { last } = snapshot;
    if (last.index < opened.base.index) break;
    if (held < last.index && snapshots !== undefined) {
      try {
        await restore(machine, snapshots, snapshot, compression);
      } catch (error) {
        if (!isKontikiError(error, 'KONTIKI_CORRUPT')) throw error;
        logger.error('a snapshot is damaged; the one before it is tried', { snapshot: snapshot.id, error });
        continue;
      }
    }
    const meets = holds(opened, snapshot);
    const state = meets ? { ...opened, committed: Math.max(opened.committed, last.index) } : replaced(opened, snapshot);
    const joined = check({ state, applied: Math.max(held, last.index), snapshot });
    if (!meets) await log.reset(state.base);
    return joined;
  }
  return check({ state: opened, applied: held, snapshot: undefined });
}

/** Whether the entry that a snapshot ends with stands in the log. */
function holds({ base, last, terms }: LogState, { last: { index, term } }: SnapshotInfo): boolean {
  if (index === base.index) return term === base.term;
  if (index > last) return false;
  return (terms.findLast((first) => first.index <= index)?.term ?? base.term) === term;
}

/** All that such a log holds is in the snapshot, or contradicts what is committed. */
function replaced(state: LogState, { last, membership, genesis }: SnapshotInfo): LogState {
  const base = { ...last, membership, genesis };
  return { ...state, base, last: last.index, terms: [], memberships: [], committed: last.index, genesis };
}

function check(joined: AlignedStores): AlignedStores {
  const { state, applied } = joined;
  if (applied < state.base.index) {
    throw new KontikiError(
      'KONTIKI_LOST_DATA',
      `The log begins after entry ${state.base.index}, and no whole snapshot reaches it: entries ${applied + 1} to ${state.base.index} are lost here. Restore the snapshots, or remove this server from the cluster and add a new id.`,
    );
  }
  if (applied > state.last) {
    throw new KontikiError(
      'KONTIKI_LOST_DATA',
      `The state machine has applied entry ${applied}, but the log ends at ${state.last}: part of the log was lost, or these are not of one server. Restore the log, or remove this server from the cluster and add a new id.`,
    );
  }
  return joined;
}

function lostLog({ last }: SnapshotInfo): KontikiError {
  return new KontikiError(
    'KONTIKI_LOST_DATA',
    `There is a snapshot of entry ${last.index}, and a log that holds nothing, not even a vote: the log was lost, and whom this server elected is forgotten. Restore the log, or remove this server from the cluster and add a new id.`,
  );
}
