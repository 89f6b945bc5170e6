import type { CallOptions } from '../calls/calls.js';
import { callOptions } from '../calls/limited.js';
import type { Names } from '../options.js';
import type { CatchUpProgress } from './catch-up.js';

/** The option of all calls that only the leader can perform. */
export interface Forwardable {
  /** Whether a server that does not lead delegates the call to the leader. Default true. */
  readonly forward?: boolean | undefined;
}

/** Options for a leadership transfer. */
export interface TransferOptions extends CallOptions, Forwardable {}

/** Options for a membership change. */
export interface ChangeOptions extends CallOptions, Forwardable {
  /**
   * The revision of the membership that the change is based on (`status().membership.revision`).
   * The change is refused if the current membership has a different revision. Default: any
   * revision.
   */
  readonly expected?: number | undefined;
  /**
   * Whether to make the change even if no majority of the new voters is currently responding.
   * Default false.
   */
  readonly force?: boolean | undefined;
}

/** Options for a membership change that waits until a new server has received the log. */
export interface CatchUpOptions extends ChangeOptions {
  /** Called when the new server has acknowledged more of the log. */
  readonly onProgress?: ((progress: CatchUpProgress) => void) | undefined;
}

export interface ReconcileOptions extends ChangeOptions {
  /** Whether only to return the steps, without performing them. Default false. */
  readonly dryRun?: boolean | undefined;
}

/**
 * Options for raising the feature level. There is no `force` option, because raising the level
 * requires every member.
 */
export type RaiseOptions = Omit<ChangeOptions, 'force'>;

/** Options for setting the length of a leader's lease. */
export type LeaseOptions = Omit<ChangeOptions, 'force'>;

export const transferOptions: Names<TransferOptions> = { ...callOptions, forward: true };
export const raiseOptions: Names<RaiseOptions> = { ...transferOptions, expected: true };
export const leaseOptions: Names<LeaseOptions> = { ...raiseOptions };
export const changeOptions: Names<ChangeOptions> = { ...transferOptions, expected: true, force: true };
export const catchUpOptions: Names<CatchUpOptions> = { ...changeOptions, onProgress: true };
export const reconcileOptions: Names<ReconcileOptions> = { ...changeOptions, dryRun: true };
