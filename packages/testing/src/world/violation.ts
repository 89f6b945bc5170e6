/**
 * Properties that must hold after every event of a world, or at its end. The first five are the
 * safety properties of Figure 3 of the Raft paper. All of them are checked in both kinds of worlds,
 * except for `leaderHearsMajority` and `stallsAreForgiven`, which only the fast world checks.
 *
 * - `electionSafety`: at most one process leads a term
 * - `leaderAppendOnly`: a leader never removes or replaces its own entries
 * - `logMatching`: two entries with the same index and term are equal, and so are all before them
 * - `leaderCompleteness`: a new leader has all entries committed in earlier terms
 * - `stateMachineSafety`: no two servers commit or apply different entries at one index
 * - `termsRise`: the term of a server never falls, except when it lost its disk
 * - `positionsRise`: committed, applied and matched indices never fall, and never exceed their
 *   bounds
 * - `commitIsDurable`: a committed entry is durable on a quorum
 * - `oneVotePerTerm`: a server votes for at most one candidate per term
 * - `termIsDurable`: a server sends only messages of terms that are on its disk
 * - `readsAreFresh`: a read sees all that was acknowledged or read before it started
 * - `callsSettle`: every call gets an outcome
 * - `queuesAreBounded`: queues, windows and entries in memory stay within their limits
 * - `leaderHearsMajority`: a leader that hears from no majority steps down in time
 * - `stallsAreForgiven`: a server whose own process was stalled does not blame others for it
 * - `recovers`: after the faults end a leader is elected, commits writes and serves reads
 * - `converges`: after the faults end all servers commit and apply all entries
 * - `isQuiet`: without requests servers send only heartbeats and wake only for these
 * - `assertions`: the code under test throws nothing, and nodes stop only for injected errors
 */
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
  'stallsAreForgiven',
  'recovers',
  'converges',
  'isQuiet',
  'assertions',
] as const;

/**
 * Properties that only the full world checks.
 *
 * - `appliesInOrder`: a machine gets every command once, in order
 * - `equalStates`: machines that applied the same entries have equal results and states
 * - `quorumsOverlap`: a membership's quorums overlap those of the membership before it
 * - `openedIsDurable`: everything that a store reports when it opens is durable
 * - `acknowledgedIsDurable`: acknowledged entries are on the disks of a majority
 * - `linearizable`: the workload finds no contradiction in the answers to clients
 */
export const NODE_INVARIANTS = [
  'appliesInOrder',
  'equalStates',
  'quorumsOverlap',
  'openedIsDurable',
  'acknowledgedIsDurable',
  'linearizable',
] as const;

export type Invariant = (typeof INVARIANTS)[number] | (typeof NODE_INVARIANTS)[number];

/** The error that reports a broken invariant. */
export class Violation extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant, message: string, options?: ErrorOptions) {
    super(`${invariant}: ${message}`, options);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

/**
 * Handles the rejection of a promise that no one awaits. The checker has kept a violation already.
 */
export function ignoreViolation(error: unknown): void {
  if (!(error instanceof Violation)) throw error;
}
