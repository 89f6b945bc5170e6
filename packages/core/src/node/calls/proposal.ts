import { KontikiError } from '../../errors.js';
import type { Position } from '../../log/entry.js';
import { describe } from '../describe.js';
import { badOption, type Names } from '../options.js';
import type { Call, CallOptions } from './calls.js';
import { callOptions } from './limited.js';

/** The outcome of a proposal that has been committed and applied. */
export interface Applied<Result> {
  readonly index: number;
  readonly term: number;
  /** The state machine's result for the command. */
  readonly result: Result;
}

/** Options for `propose`. */
export interface ProposeOptions extends CallOptions {
  /**
   * Whether to forward the command to the leader if this server is not the leader. Default true.
   */
  readonly forward?: boolean | undefined;
}

export const proposeOptions: Names<ProposeOptions> = { ...callOptions, forward: true };

/** Returns an error if the command or the options are invalid; undefined otherwise. */
export function checkProposal(
  data: unknown,
  { forward = true }: ProposeOptions,
  max: number,
): KontikiError | undefined {
  if (typeof forward !== 'boolean') return badOption(`forward must be true or false, not ${describe(forward)}.`);
  if (!(data instanceof Uint8Array)) return badOption('A command must be a Uint8Array.');
  if (data.length <= max) return undefined;
  const text = `The command has ${data.length} bytes, but this node accepts at most ${max}.`;
  return new KontikiError('KONTIKI_TOO_LARGE', text);
}

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
