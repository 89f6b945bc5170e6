import type { Counts } from './counts.js';
import type { Mix, MixOptions } from './mix.js';
import type { Invariant, Violation } from './violation.js';

export interface WorldOptions extends MixOptions {
  /** The invariants to check. Default: all invariants that this kind of world checks. */
  readonly invariants?: readonly Invariant[] | undefined;
  /** Called for each event with the simulated time in milliseconds and a line of text. */
  readonly trace?: ((at: number, text: string) => void) | undefined;
}

/**
 * Result of running a world. The same seed and options always produce the same result, including
 * the hash.
 */
export interface Outcome {
  readonly seed: number;
  readonly mix: Mix;
  /** Hash of the whole execution. Different executions almost certainly have different hashes. */
  readonly hash: string;
  /** Number of events scheduled during the simulation. */
  readonly events: number;
  /** Duration of the simulation in simulated milliseconds. */
  readonly elapsed: number;
  readonly counts: Counts;
  /** The broken invariant that ended the simulation. Undefined if no invariant was broken. */
  readonly violation: Violation | undefined;
}
