import type { CommandEntry } from '../log/entry.js';
import type { Owner } from './log-store.js';

/** Committed commands, in log order. */
export interface ApplyBatch {
  readonly entries: readonly CommandEntry[];
  /** Everything up to this index is applied with the batch: entries that are no commands count too. */
  readonly through: number;
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
}
