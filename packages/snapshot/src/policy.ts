import type { SnapshotStore } from '@kontiki/core';

/** When a snapshot is due. Whichever limit is reached first decides; one that is not given does not count. */
export interface SnapshotPolicy {
  /** Entries applied since the last one. */
  readonly entries?: number | undefined;
  /** Bytes of those in the log. */
  readonly logBytes?: number | undefined;
  /** Milliseconds since the last one. */
  readonly ms?: number | undefined;
}

/** What has come since the last snapshot, or since the beginning. */
export interface SinceSnapshot {
  readonly entries: number;
  readonly logBytes: number;
  /** Milliseconds. */
  readonly elapsed: number;
}

/** Suits a service: a start replays at most some seconds of log, and a busy one is not always taking snapshots. */
export const DEFAULT_POLICY: SnapshotPolicy = { entries: 100_000, logBytes: 64 * 1024 * 1024 };

/** Whether a snapshot is due. Never when nothing was applied since the last one: it would be the same again. */
export function snapshotDue({ entries, logBytes, ms }: SnapshotPolicy, since: SinceSnapshot): boolean {
  if (since.entries === 0) return false;
  return (
    since.entries >= (entries ?? Infinity) ||
    since.logBytes >= (logBytes ?? Infinity) ||
    since.elapsed >= (ms ?? Infinity)
  );
}

/** Removes all snapshots but the newest `keep`, of which there is always one. What is being read can be read to its end. */
export async function retain(store: SnapshotStore, keep: number): Promise<void> {
  const old = (await store.list()).slice(Math.max(1, keep));
  for (const { id } of old) await store.remove(id);
}
