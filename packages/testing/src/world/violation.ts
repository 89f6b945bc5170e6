/** What must hold after every event, and in the end. Raft's Figure 3 first. */
export const INVARIANTS = [
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
  'callsSettle',
  'queuesAreBounded',
  'leaderHearsMajority',
  'recovers',
  'converges',
  'isQuiet',
  'assertions',
] as const;

/** What is looked at in whole nodes only. */
export const NODE_INVARIANTS = [
  'appliesInOrder',
  'equalStates',
  'quorumsOverlap',
  'openedIsDurable',
  'acknowledgedIsDurable',
  'linearizable',
] as const;

export type Invariant = (typeof INVARIANTS)[number] | (typeof NODE_INVARIANTS)[number];

/** An invariant was broken. */
export class Violation extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant, message: string, options?: ErrorOptions) {
    super(`${invariant}: ${message}`, options);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

/** For a promise of nobody: a violation is known to the checker already, anything else is a bug of the world. */
export function ignoreViolation(error: unknown): void {
  if (!(error instanceof Violation)) throw error;
}
