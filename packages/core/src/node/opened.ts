import type { LogState, LogStore, Owner } from '../ports/log-store.js';
import type { SnapshotInfo, SnapshotStore } from '../ports/snapshot-store.js';

/** Bytes of entries that are read and written at a time. */
export const MOVE_PAGE: number = 1024 * 1024;

/** What a server keeps, and where. */
export interface Stores {
  readonly log: LogStore;
  readonly snapshots?: SnapshotStore | undefined;
}

/** The stores of one server, open, and what is in them. */
export interface Opened {
  readonly log: LogStore;
  readonly state: LogState;
  readonly store: SnapshotStore | undefined;
  /** Oldest first. */
  readonly snapshots: readonly SnapshotInfo[];
}

/** How far a move is. */
export interface MoveProgress {
  readonly step: 'copying snapshots' | 'copying entries' | 'comparing snapshots' | 'comparing entries';
  /** Bytes of snapshots, or entries. */
  readonly done: number;
  readonly total: number;
}

/** Opens them, and closes them whatever happens. */
export async function using(stores: Stores, owner: Owner, use: (opened: Opened) => Promise<void>): Promise<void> {
  const { log, snapshots: store } = stores;
  try {
    const state = await log.open(owner);
    await store?.open(owner);
    const snapshots = [...((await store?.list()) ?? [])].reverse();
    await use({ log, state, store, snapshots });
  } finally {
    await log.close();
    await store?.close();
  }
}
