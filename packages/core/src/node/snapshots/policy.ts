/** The policy for taking snapshots, and for keeping snapshots and log entries. */
export interface SnapshotPolicy {
  /**
   * Entries applied since the previous snapshot after which a new snapshot is due. Default 100,000.
   */
  readonly maxEntries: number;
  /**
   * Bytes of entries applied since the previous snapshot after which a new snapshot is due. Default
   * 64 MiB.
   */
  readonly maxBytes: number;
  /**
   * Age of the previous snapshot, in milliseconds, after which a new snapshot is due if entries
   * were applied since. Default: never.
   */
  readonly maxAgeMs: number;
  /**
   * Number of entries to keep in the log below a snapshot, as far as they are in memory. Slightly
   * lagging followers then need no snapshot. Default 200.
   */
  readonly trailingEntries: number;
  /** Maximum bytes of the trailing entries. Default 4 MiB. */
  readonly trailingBytes: number;
  /** Number of snapshots to keep. Default 2. */
  readonly keep: number;
  /**
   * Maximum bytes per second that a leader sends to one follower. Default: 100 MB while commands
   * are waiting to be committed, because commits need the same processors and disks. No limit
   * otherwise.
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
