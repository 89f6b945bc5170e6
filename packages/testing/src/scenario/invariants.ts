import type { Invariant } from '../world/violation.js';

/**
 * The invariants that are checked after each step of a scenario. Invariants that limit time or
 * memory are left out, because the test itself controls both.
 */
export const INVARIANTS: readonly Invariant[] = [
  'electionSafety',
  'leaderAppendOnly',
  'logMatching',
  'leaderCompleteness',
  'stateMachineSafety',
  'termsRise',
  'positionsRise',
  'commitIsDurable',
  'oneVotePerTerm',
  'termIsDurable',
  'readsAreFresh',
];
