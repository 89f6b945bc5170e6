/** When a node takes snapshots, and what it keeps. */
export interface SnapshotPolicy {
  /**
   * A snapshot is due after this many entries were applied since the previous one. Default 100,000.
   */
  readonly maxEntries: number;
  /**
   * A snapshot is due after this many bytes of entries were applied since the previous one. Default
   * 64 MiB.
   */
  readonly maxBytes: number;
  /**
   * A snapshot is due this many milliseconds after the previous one, if anything was applied since.
   * Default: never.
   */
  readonly maxAgeMs: number;
  /**
   * Entries that stay in the log below a snapshot, as far as memory holds them. They save followers
   * that are slightly behind from needing the snapshot. Default 200.
   */
  readonly trailingEntries: number;
  /** Maximum bytes of the trailing entries. Default 4 MiB. */
  readonly trailingBytes: number;
  /** Snapshots that are kept. Default 2. */
  readonly keep: number;
  /**
   * Maximum bytes per second that a leader sends to one follower. Default: no limit while no
   * command waits to be committed, 100 MB while one does. Commits need the same processors and
   * disks.
   */
  readonly bytesPerSecond: number | undefined;
}

const MiB = 1024 * 1024;

export const defaultSnapshotPolicy: SnapshotPolicy = {
  maxEntries: 100_000,
  maxBytes: 64 * MiB,
  maxAgeMs: Infinity,
  trailingEntries: 200,
  trailingBytes: 4 * MiB,
  keep: 2,
  bytesPerSecond: undefined,
};
