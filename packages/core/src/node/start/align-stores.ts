import { isKontikiError, KontikiError } from '../../errors.js';
import type { StoreLife } from '../../log/store-life.js';
import type { LogState, LogStore, Owner } from '../../ports/log-store.js';
import { silentLogger } from '../../ports/logger.js';
import type { SnapshotInfo, SnapshotStore } from '../../ports/snapshot-store.js';
import { restore } from '../apply/restore.js';
import { logTimeAt } from './log-time.js';
import type { NodeOptions } from '../options.js';
import { countStart } from './count-start.js';
import { checkLogMatches, holds, replaced } from './fit.js';

/** The parts of a node that store data. */
type Parts = Pick<NodeOptions<unknown>, 'log' | 'snapshots' | 'machine' | 'snapshotCompression' | 'logger' | 'random'>;

/**
 * The stores of a node once they are consistent with each other. The state machine has applied the
 * log's entries up to `applied`.
 */
export interface AlignedStores {
  readonly state: LogState;
  /**
   * The identity of the log store and its number of starts, including the current one; undefined if
   * the store has no id yet.
   */
  readonly life: StoreLife | undefined;
  readonly applied: number;
  /** The log time of the last entry that the state machine has applied, in milliseconds. */
  readonly appliedTime: number;
  /** The log time of the last entry of the log, in milliseconds. */
  readonly lastTime: number;
  /** The newest snapshot that this node can use. */
  readonly snapshot: SnapshotInfo | undefined;
  /** Ids of damaged snapshots. */
  readonly damaged: readonly string[];
}

/**
 * Opens the log, the snapshots and the state machine, makes them consistent with each other, and
 * counts this start in the log.
 */
export async function alignStores(
  parts: Parts,
  owner: Owner,
  onOpened: (store: LogStore | SnapshotStore) => void = () => {},
): Promise<AlignedStores> {
  const aligned = await align(parts, owner, onOpened);
  const { state, applied, snapshot } = aligned;
  const lastTime = await logTimeAt(state.last, parts.log, state, snapshot);
  const appliedTime = await logTimeAt(applied, parts.log, state, snapshot);
  return {
    ...aligned,
    lastTime,
    appliedTime,
    life: await countStart(parts.log, aligned.state, parts.random ?? Math.random),
  };
}

/**
 * Opens the log, the snapshots and the state machine, and makes them consistent with each other.
 * There must be no gap between the newest complete snapshot and the log, and the state machine must
 * have applied all compacted entries. Completes a snapshot installation that a crash interrupted.
 * Rejects if there is a gap, because the state machine would otherwise silently skip entries.
 */
async function align(
  { log, snapshots, machine, snapshotCompression, logger = silentLogger }: Parts,
  owner: Owner,
  onOpened: (store: LogStore | SnapshotStore) => void,
): Promise<Omit<AlignedStores, 'life' | 'lastTime' | 'appliedTime'>> {
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
