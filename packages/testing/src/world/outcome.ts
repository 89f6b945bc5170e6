import type { Counts } from './counts.js';
import type { Mix, MixOptions } from './mix.js';
import type { Invariant, Violation } from './violation.js';

export interface WorldOptions extends MixOptions {
  /** The invariants to check. Default: all. */
  readonly invariants?: readonly Invariant[] | undefined;
  /** Called for each event with the simulated milliseconds and a line of text. */
  readonly trace?: ((at: number, text: string) => void) | undefined;
}

/** Result of a world. The same seed and options give an equal result, including the hash. */
export interface Outcome {
  readonly seed: number;
  readonly mix: Mix;
  /** Hash over the whole execution. Different executions almost certainly have different hashes. */
  readonly hash: string;
  /** Number of scheduled events. */
  readonly events: number;
  /** Simulated milliseconds. */
  readonly elapsed: number;
  readonly counts: Counts;
  /** The broken invariant that ended the world. Undefined if all held to the end. */
  readonly violation: Violation | undefined;
}
