/**
 * The policy that determines when to take snapshots, and which snapshots and log entries to keep.
 */
export interface SnapshotPolicy {
  /**
   * Number of entries applied since the previous snapshot after which a new one is taken. Default
   * 100,000.
   */
  readonly maxEntries: number;
  /**
   * Size in bytes of the entries applied since the previous snapshot after which a new one is
   * taken. Default 64 MiB.
   */
  readonly maxBytes: number;
  /**
   * Maximum age of the previous snapshot, in milliseconds. When it reaches this age, a new snapshot
   * is taken if any entries have been applied since. Default: no maximum.
   */
  readonly maxAgeMs: number;
  /**
   * Number of trailing entries that stay in the log after a snapshot, provided that they are in
   * memory. With these entries, followers that are only a few entries behind do not need a
   * snapshot. Default 200.
   */
  readonly trailingEntries: number;
  /** Maximum total size of the trailing entries, in bytes. Default 4 MiB. */
  readonly trailingBytes: number;
  /** Number of snapshots to keep. Default 2. */
  readonly keep: number;
  /**
   * Maximum bytes of snapshots per second that a leader sends to one follower. By default, the
   * limit is 100 MB per second while commands are waiting to be committed, because commits need the
   * same processors and disks. While no commands are waiting, there is no default limit.
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
