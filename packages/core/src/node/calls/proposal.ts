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
  /** Whether a server that is not the leader forwards the command to the leader. Default true. */
  readonly forward?: boolean | undefined;
}

export const proposeOptions: Names<ProposeOptions> = { ...callOptions, forward: true };

export interface Proposal<Result> {
  readonly data: Uint8Array;
  readonly call: Call<Applied<Result>>;
  /** Whether to forward the command to the leader if this server is not the leader. */
  readonly forward: boolean;
  /** The position of the command's entry; undefined until the position is known. */
  position: Position | undefined;
  /** Whether the proposal was rejected before its position was known. */
  abandoned: boolean;
}
