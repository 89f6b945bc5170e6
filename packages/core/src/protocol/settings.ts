/** How fast the cluster notices things. Milliseconds; the same on every server. */
export interface Timings {
  /** How often a leader shows that it lives. Default 100. */
  readonly heartbeat: number;
  /** T: followers campaign after hearing nothing for a time drawn from [T, 2T). Default 500. At least twice the heartbeat. */
  readonly election: number;
}

/** Node's garbage collector pauses for up to 100 ms, so a default below that would elect leaders for nothing. */
export const defaultTimings: Timings = { heartbeat: 100, election: 500 };

/** What may pile up, in bytes unless it says otherwise. One entry is always admitted, however large. */
export interface Limits {
  /** Entries of one append message. Default 252 KiB, which keeps a frame within 256 KiB. */
  readonly messageBytes: number;
  /** Append messages sent to a peer and not yet acknowledged. Default 64. */
  readonly windowMessages: number;
  /** Entries sent to a peer and not yet acknowledged. Default 4 MiB. */
  readonly windowBytes: number;
  /** Proposals appended by this leader and not yet committed; above it proposals are refused. Default 32 MiB. */
  readonly uncommittedBytes: number;
  /** Entries not yet durable here: above it a follower drops appends and a leader refuses proposals. Default 32 MiB. */
  readonly undurableBytes: number;
  /** Entries kept in memory after they are committed and durable. Default 16 MiB. */
  readonly tailBytes: number;
}

const KiB = 1024;
const MiB = 1024 * KiB;

export const defaultLimits: Limits = {
  messageBytes: 252 * KiB,
  windowMessages: 64,
  windowBytes: 4 * MiB,
  uncommittedBytes: 32 * MiB,
  undurableBytes: 32 * MiB,
  tailBytes: 16 * MiB,
};
