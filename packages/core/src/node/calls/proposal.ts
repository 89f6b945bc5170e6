import type { Position } from '../../log/entry.js';
import type { Names } from '../options.js';
import type { Call, CallOptions } from './calls.js';
import { callOptions } from './limited.js';

/** The outcome of a committed and applied proposal. */
export interface Applied<Result> {
  readonly index: number;
  readonly term: number;
  /** The state machine's result for the command. */
  readonly result: Result;
}

/** Options of `propose`. */
export interface ProposeOptions extends CallOptions {
  /** Whether a server that does not lead sends the command to the leader. Default true. */
  readonly forward?: boolean | undefined;
}

export const proposeOptions: Names<ProposeOptions> = { ...callOptions, forward: true };

export interface Proposal<Result> {
  readonly data: Uint8Array;
  readonly call: Call<Applied<Result>>;
  /** Whether to send the command to the leader if this server does not lead. */
  readonly forward: boolean;
  /** The entry's position; undefined until it is known. */
  position: Position | undefined;
  /** Whether the caller has given up. */
  abandoned: boolean;
}
