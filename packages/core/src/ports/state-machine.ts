import type { CommandEntry, Position } from '../log/entry.js';
import type { Owner } from './log-store.js';

/** Committed commands, in log order. */
export interface ApplyBatch {
  readonly entries: readonly CommandEntry[];
  /** Everything up to this index is applied with the batch: entries that are no commands count too. */
  readonly through: number;
}

/** What a state that is restored is of. */
export interface RestorePoint extends Position {
  /** The version of the machine that wrote it. */
  readonly version: number;
}

/**
 * What the cluster replicates. Given the same commands in the same order it must come to the same state on every
 * server: no clock, no randomness, no I/O whose outcome may differ.
 */
export interface StateMachine<Result = unknown> {
  /** For a machine with a disk of its own: the index up to which its state is durable. Without it every start applies the log anew. */
  open?(owner: Owner): Promise<number>;
  /**
   * Applies a batch and gives one result an entry. One call at a time. A throw stops the server for good: what is wrong
   * with a command belongs into its result. `entries` may be empty (`through` alone moves on).
   */
  apply(batch: ApplyBatch): readonly Result[] | Promise<readonly Result[]>;
  /** The form of its state, which stands in every snapshot: an integer from 0 on. One of a higher version is refused. Default 0. */
  readonly version?: number | undefined;
  /**
   * The state as it is now, in chunks of any size. Called between two applies; its first chunk is awaited before the next
   * one, and applying goes on while the rest is read: what it yields must not change any more. A throw stops the server.
   */
  snapshot?(): AsyncIterable<Uint8Array>;
  /** The machine cannot change while it is read: applying waits until the snapshot has been read, the protocol does not. */
  readonly blocksApply?: boolean | undefined;
  /** Takes over a state that `snapshot` gave, in place of the one it has. All or nothing: it rejects, as it was, with what `chunks` throws. */
  restore?(chunks: AsyncIterable<Uint8Array>, at: RestorePoint): Promise<void>;
}
