import type { Counts } from './counts.js';
import type { Mix, MixOptions } from './mix.js';
import type { Invariant, Violation } from './violation.js';

export interface WorldOptions extends MixOptions {
  /** The invariants that are looked at. Default: all. */
  readonly invariants?: readonly Invariant[] | undefined;
  /** Is told the story: the simulated milliseconds, and what happened. */
  readonly trace?: ((at: number, text: string) => void) | undefined;
}

/** How an execution ended. The same seed and options give the same, to the hash. */
export interface Outcome {
  readonly seed: number;
  readonly mix: Mix;
  readonly hash: string;
  readonly events: number;
  /** Simulated milliseconds. */
  readonly elapsed: number;
  readonly counts: Counts;
  readonly violation: Violation | undefined;
}
