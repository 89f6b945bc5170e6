import type { CommandEntry, Position } from '../log/entry.js';
import type { Owner } from './log-store.js';

/** Committed commands, in log order. */
export interface ApplyBatch {
  readonly entries: readonly CommandEntry[];
  /** The batch covers everything up to this index, including entries that are not commands. */
  readonly through: number;
}

/** The position and version of a restored state. */
export interface RestorePoint extends Position {
  /** The version of the state machine that wrote the snapshot. */
  readonly version: number;
}

/**
 * The state that the cluster replicates. It must be deterministic: the same commands in the same
 * order must produce the same state on every server. So it uses no clock, no randomness, and no I/O
 * whose outcome may differ.
 */
export interface StateMachine<Result = unknown> {
  /**
   * Opens a state machine that has a disk of its own. Resolves with the index up to which its state
   * is durable. A machine without this method gets the whole log applied again at each start.
   */
  open?(owner: Owner): Promise<number>;
  /**
   * Applies a batch and returns one result per entry. The node makes one call at a time. An
   * exception stops the server for good, so a command that is invalid should return that as its
   * result. `entries` may be empty, if only `through` advances.
   */
  apply(batch: ApplyBatch): readonly Result[] | Promise<readonly Result[]>;
  /**
   * The version of the snapshot's contents, an integer from 0 on. The node refuses a snapshot of a
   * higher version. Default 0.
   */
  readonly version?: number | undefined;
  /**
   * Returns the current state, in chunks of any size. The node calls it between two batches and
   * waits for the first chunk before it applies the next batch. It reads the rest in parallel with
   * applying, so the yielded bytes must not change later. An exception stops the server.
   */
  snapshot?(): AsyncIterable<Uint8Array>;
  /**
   * Whether the state cannot change while `snapshot` is read. Then applying waits until the
   * snapshot is read; the protocol does not wait.
   */
  readonly blocksApply?: boolean | undefined;
  /**
   * Replaces the state by one that `snapshot` returned. All or nothing: if `chunks` throws, it
   * rejects with that error and keeps the old state.
   */
  restore?(chunks: AsyncIterable<Uint8Array>, at: RestorePoint): Promise<void>;
}
