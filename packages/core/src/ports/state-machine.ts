import type { AppliedPosition, CommandEntry } from '../log/entry.js';
import type { Owner } from './log-store.js';

/** Committed commands to apply, in log order. */
export interface ApplyBatch {
  readonly entries: readonly CommandEntry[];
  /** The index of the last log entry that the batch covers. This entry need not be a command. */
  readonly through: number;
  /** The log time of that entry in milliseconds (see `LogClock`). */
  readonly time: number;
}

/** The position and version of a restored state. */
export interface RestorePoint extends AppliedPosition {
  /** The version of the state machine that wrote the snapshot. */
  readonly version: number;
}

/**
 * The application's state machine, which the cluster replicates. It must be deterministic: the same
 * commands in the same order must produce the same state on every server. So it must not use a
 * clock, randomness, or I/O whose outcome may differ between servers.
 */
export interface StateMachine<Result = unknown> {
  /**
   * Opens a state machine that stores its own state. Resolves with the index of the last applied
   * entry whose effects are durable. If a machine does not have this method, the node applies the
   * whole log again at each start.
   */
  open?(owner: Owner): Promise<number>;
  /**
   * Applies a batch and returns one result per entry. The node makes one call at a time. An
   * exception stops the server, so instead report an invalid command in its result. `entries` is
   * empty if only `through` advances.
   *
   * The machine may keep and change the data of the commands. Commands of up to 4 KiB share blocks
   * of 64 KiB, so keeping one small command can keep 64 KiB in memory.
   */
  apply(batch: ApplyBatch): readonly Result[] | Promise<readonly Result[]>;
  /**
   * The version of the snapshot's contents, an integer of at least 0. The node refuses to restore
   * snapshots with a higher version. Default 0.
   */
  readonly version?: number | undefined;
  /**
   * The newest version of the machine's behavior, an integer of at least 1. Undefined if the
   * machine has no versions that a command activates. Each member reports this version to the
   * leader.
   */
  readonly behavior?: number | undefined;
  /**
   * The log time in milliseconds at which the state changes next without a command, for example
   * because a lock expires. Undefined if only commands change the state. When this time is due,
   * the leader appends an entry without a command. `apply` is then called with a `time` that is at
   * least as late. Only `apply` and `restore` may change this value. Needs feature level 2.
   */
  readonly nextExpiry?: number | undefined;
  /**
   * Returns the current state, in chunks of any size. The node calls this method between two
   * batches, and waits for the first chunk before it applies the next batch. It reads the other
   * chunks while it applies later batches. It copies each chunk, so the machine may reuse the
   * memory after the `yield`. An exception stops the server.
   */
  snapshot?(): AsyncIterable<Uint8Array>;
  /**
   * Whether the node must not apply entries while it reads a snapshot. The protocol continues
   * during this time.
   */
  readonly blocksApply?: boolean | undefined;
  /**
   * Replaces the state with a state that `snapshot` returned. Must read `chunks` to the end,
   * because the checksum comes last. If `chunks` throws, the method must reject with that error and
   * keep the old state.
   */
  restore?(chunks: AsyncIterable<Uint8Array>, at: RestorePoint): Promise<void>;
}
