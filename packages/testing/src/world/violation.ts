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
  'oneVoteATerm',
  'termIsDurable',
  'readsAreFresh',
  'callsSettle',
  'queuesAreBounded',
  'leadsByRight',
  'recovers',
  'converges',
  'isCalm',
  'assertions',
] as const;

/** What is looked at in whole nodes only. */
export const NODE_INVARIANTS = [
  'appliesInOrder',
  'equalStates',
  'quorumsOverlap',
  'foundIsDurable',
  'acknowledgedIsKept',
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

/** For a promise of nobody: a violation is known to the judge already, anything else is a bug of the world. */
export function unlessViolation(error: unknown): void {
  if (!(error instanceof Violation)) throw error;
}
