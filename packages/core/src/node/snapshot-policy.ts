/** When snapshots are taken, and what is kept beside them. */
export interface SnapshotPolicy {
  /** A snapshot is due when so many entries were applied since the one before. Default 100,000. */
  readonly maxEntries: number;
  /** Or when these have so many bytes. Default 64 MiB. */
  readonly maxBytes: number;
  /** Or, if there is anything new, after so many milliseconds. Default: never for that reason. */
  readonly maxAgeMs: number;
  /** Entries that stay in the log behind a snapshot, for followers that are a little late, as long as they are in memory. Default 200. */
  readonly trailingEntries: number;
  /** Their bytes, at the most. Default 4 MiB. */
  readonly trailingBytes: number;
  /** Snapshots that are kept. Default 2. */
  readonly keep: number;
  /**
   * Bytes a second that a leader sends to one follower, at the most. Default: no limit, but 100 MB while commands wait to be
   * committed, which would wait for processors and disks longer otherwise.
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
