import { isKontikiError } from '../../errors.js';
import type { Ballot } from '../../log/ballot.js';
import type { Position } from '../../log/entry.js';
import type { MembershipAt } from '../../log/membership.js';
import type { StoreId } from '../../log/server.js';
import type { LogState, LogStore, Owner } from '../../ports/log-store.js';
import type { SnapshotInfo, SnapshotStore } from '../../ports/snapshot-store.js';
import { checkSnapshot } from '../../wire/index.js';
import type { CallOptions } from '../calls/calls.js';
import { callOptions, limitedAlone } from '../calls/limited.js';
import { withOpenStores, type OpenStores } from '../move/compare.js';
import type { Names } from '../options.js';
import { checkLogMatches, holds, replaced } from '../start/fit.js';

export interface InspectOptions extends Owner, CallOptions {
  /** The server's snapshot store; undefined if the server does not have one. */
  readonly snapshots?: SnapshotStore | undefined;
}

const inspectOptions: Names<InspectOptions> = { ...callOptions, cluster: true, server: true, snapshots: true };

/** The contents of a stopped server's stores. */
export interface ServerContents {
  readonly ballot: Ballot | undefined;
  /**
   * The position of the log's last entry, or the end of a newer snapshot. The index is 0 if the
   * server is blank.
   */
  readonly last: Position;
  /** The index up to which this server knows the entries to be committed. */
  readonly committed: number;
  /** The newest membership in the log, committed or not. Undefined if the server is blank. */
  readonly membership: MembershipAt | undefined;
  /**
   * The id of the log store. Undefined if the server has not been started since the cluster's
   * feature level rose above 0.
   */
  readonly store: StoreId | undefined;
  /** The newest intact snapshot, with which the server would start. */
  readonly snapshot: SnapshotInfo | undefined;
  /** The ids of all damaged snapshots that are newer than the newest intact one. */
  readonly damaged: readonly string[];
}

/**
 * Reports the contents of the log and the snapshots of a stopped server, and checks every byte of
 * the newest snapshot. To find the server with the newest log, compare the `last` positions of
 * several servers by term, then by index. Rejects with the same errors that starting the server
 * would cause. Always closes the stores.
 */
export function inspectServer(log: LogStore, options: InspectOptions): Promise<ServerContents> {
  const { snapshots } = options;
  return limitedAlone(
    options,
    (signal) =>
      withOpenStores({ log, snapshots }, options, async (stores) => {
        const { state, snapshot, damaged } = await survey(stores, signal);
        const { ballot, committed, life } = state;
        const [last, membership] = [lastOf(state), membershipIn(state)];
        return { ballot, last, committed, membership, store: life?.id, snapshot, damaged };
      }),
    inspectOptions,
  );
}

/** The state of a log, and the snapshot that the server would start with. */
export interface Survey extends Pick<ServerContents, 'snapshot' | 'damaged'> {
  readonly state: LogState;
  /** Whether the snapshot replaces the log, because a crash interrupted its installation. */
  readonly isReplaced: boolean;
}

/**
 * Returns the newest intact snapshot, and the state that the log would have after a start with this
 * snapshot.
 */
export async function survey({ state, store, snapshots }: OpenStores, signal: AbortSignal): Promise<Survey> {
  checkLogMatches(state, snapshots);
  const damaged: string[] = [];
  for (const snapshot of [...snapshots].reverse()) {
    if (snapshot.last.index < state.base.index) break;
    if (!(await isIntact(store as SnapshotStore, snapshot, signal))) {
      damaged.push(snapshot.id);
      continue;
    }
    if (!holds(state, snapshot)) return { state: replaced(state, snapshot), isReplaced: true, snapshot, damaged };
    const committed = Math.max(state.committed, snapshot.last.index);
    return { state: { ...state, committed }, isReplaced: false, snapshot, damaged };
  }
  return { state, isReplaced: false, snapshot: undefined, damaged };
}

async function isIntact(store: SnapshotStore, { id }: SnapshotInfo, signal: AbortSignal): Promise<boolean> {
  async function* pieces(): AsyncGenerator<Uint8Array, void> {
    for await (const piece of store.read(id)) {
      signal.throwIfAborted();
      yield piece;
    }
  }
  try {
    await checkSnapshot(pieces());
    return true;
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_CORRUPT')) return false;
    throw error;
  }
}

export function lastOf({ base, last, terms }: LogState): Position {
  return { index: last, term: terms.at(-1)?.term ?? base.term };
}

/** Returns the newest membership in a log, or undefined if the log is blank. */
export function membershipIn({ base, memberships }: LogState): MembershipAt | undefined {
  return memberships.at(-1) ?? base.membership;
}
