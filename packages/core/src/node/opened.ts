import { KontikiError } from '../errors.js';
import type { Entry } from '../log/entry.js';
import type { LogState, LogStore, Owner } from '../ports/log-store.js';
import type { SnapshotInfo, SnapshotStore } from '../ports/snapshot-store.js';

/** Bytes of entries that are read and written at a time. */
const PAGE = 1024 * 1024;

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

/** Opens them, and closes what it has opened, whatever happens. */
export async function using(stores: Stores, owner: Owner, use: (opened: Opened) => Promise<void>): Promise<void> {
  const { log, snapshots: store } = stores;
  const state = await log.open(owner);
  try {
    await store?.open(owner);
    try {
      const snapshots = [...((await store?.list()) ?? [])].reverse();
      await use({ log, state, store, snapshots });
    } finally {
      await store?.close();
    }
  } finally {
    await log.close();
  }
}

/** Entries from `from` on, not beyond `to`, of a log that says it holds them. */
export async function pageOf({ log }: Opened, from: number, to: number): Promise<readonly Entry[]> {
  const page = await log.read(from, to, PAGE);
  if (page.length > 0 && page.length <= to - from + 1 && page.every(({ index }, i) => index === from + i)) return page;
  throw new KontikiError(
    'KONTIKI_CORRUPT',
    `A log was asked for entries ${from} to ${to}, which it says it holds, and gave others or none. The original is as it was; throw the copy away, and look at both disks.`,
  );
}
