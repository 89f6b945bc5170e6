/** Milliseconds. They should be the same on every server. */
export interface Timings {
  /** The interval of a leader's heartbeats. Default 100. */
  readonly heartbeat: number;
  /**
   * T: a follower campaigns after hearing no leader for a time drawn from [T, 2T). Default 500. At
   * least twice the heartbeat.
   */
  readonly election: number;
}

/**
 * Node's garbage collector pauses for up to 100 ms, so shorter defaults would cause needless
 * elections.
 */
export const defaultTimings: Timings = { heartbeat: 100, election: 500 };

/** Bounds, in bytes unless stated otherwise. One entry is always admitted, however large. */
export interface Limits {
  /** Entries in one append message. Default 252 KiB, which keeps a frame within 256 KiB. */
  readonly messageBytes: number;
  /** Number of append messages sent to a peer and not yet acknowledged. Default 64. */
  readonly windowMessages: number;
  /** Entries sent to a peer and not yet acknowledged. Default 4 MiB. */
  readonly windowBytes: number;
  /**
   * Proposals that this leader has appended and not yet committed. Further proposals are refused.
   * Default 32 MiB.
   */
  readonly uncommittedBytes: number;
  /**
   * Undurable bytes: entries that are not durable on this server yet. Beyond this limit a follower
   * drops appends, and a leader refuses proposals. A leader needs the limit, too, because the other
   * servers can commit entries that its own slow disk has not written. Default 32 MiB.
   */
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
