import type { Invariant } from '../world/violation.js';

/** What is looked at after each step. What bounds time and memory is not: a scenario moves both as it likes. */
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
