/** Timings in milliseconds. All servers of a cluster should use the same timings. */
export interface Timings {
  /** The interval of a leader's heartbeats. Default 100. */
  readonly heartbeat: number;
  /**
   * The election timeout T. A follower campaigns if it receives no messages from a leader for a
   * time drawn from [T, 2T). T must be at least twice the heartbeat interval. Default 500.
   */
  readonly election: number;
}

/**
 * The default timings. Node's garbage collector pauses for up to 100 ms, so shorter timings would
 * cause needless elections.
 */
export const defaultTimings: Timings = { heartbeat: 100, election: 500 };

/**
 * Limits on a server's memory and messages, in bytes unless stated otherwise. An entry that exceeds
 * a limit by itself is still accepted if nothing else counts toward that limit.
 */
export interface Limits {
  /**
   * Maximum bytes of entries in one append message. Default 252 KiB, so that a frame stays within
   * 256 KiB.
   */
  readonly messageBytes: number;
  /**
   * Maximum number of append messages to one peer that have not been acknowledged yet. Default 64.
   */
  readonly windowMessages: number;
  /** Maximum bytes of entries sent to one peer that it has not acknowledged yet. Default 4 MiB. */
  readonly windowBytes: number;
  /**
   * Maximum bytes of entries that this leader has appended but not committed yet. The leader
   * refuses proposals beyond this limit. Default 32 MiB.
   */
  readonly uncommittedBytes: number;
  /**
   * Maximum bytes of entries that are not durable on this server yet. Beyond this limit, a follower
   * drops appends, and a leader refuses proposals. A leader needs this limit because other servers
   * can commit entries that its own slow disk has not written. Default 32 MiB.
   */
  readonly undurableBytes: number;
  /**
   * Maximum bytes of entries that this leader has committed but that its state machine has not
   * applied yet. The leader refuses proposals beyond this limit. Default 32 MiB.
   */
  readonly unappliedBytes: number;
  /**
   * Maximum age, in milliseconds, of the oldest unapplied entry. Beyond this limit, the leader
   * refuses proposals, because the callers would have to wait even longer. Default 2,000.
   */
  readonly unappliedMs: number;
  /** Maximum bytes of committed and durable entries kept in memory. Default 16 MiB. */
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
  unappliedBytes: 32 * MiB,
  unappliedMs: 2_000,
  tailBytes: 16 * MiB,
};
