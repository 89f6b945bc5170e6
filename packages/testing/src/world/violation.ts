/**
 * Invariants, checked after every event of a world or at its end. The first five are the safety
 * properties in Figure 3 of the Raft paper. Both kinds of worlds check all of them, except that
 * only the fast world checks `levelsAreRead`, `leasesExclude`, `leaderHearsMajority`,
 * `stalledLeaderStepsDown`, `fullClustersLead`, `stallsAreForgiven` and `appliesOnce`.
 *
 * - `electionSafety`: at most one process leads in each term
 * - `leaderAppendOnly`: a leader never removes or replaces its own entries
 * - `logMatching`: entries with the same index and term are equal, and so are all entries before
 *   them
 * - `leaderCompleteness`: a new leader has every entry committed in an earlier term
 * - `stateMachineSafety`: no two servers commit or apply different entries at one index
 * - `termsRise`: a server's term never decreases, unless the server lost its disk
 * - `positionsRise`: committed, applied and matched indices never decrease or exceed their bounds
 * - `commitIsDurable`: a committed entry is durable on a quorum
 * - `oneVotePerTerm`: a server votes for at most one candidate per term
 * - `quorumsOverlap`: every quorum of a membership overlaps every quorum of the previous membership
 * - `levelsAreRead`: no log has entries of a feature level that a member has not announced as
 *   readable, the level never decreases, and a server that cannot read its leader's log does not
 *   campaign
 * - `termIsDurable`: a server sends messages only in terms that are durable on its disk
 * - `readsAreFresh`: a read sees every entry that was acknowledged or read before it started
 * - `leasesExclude`: while a leader holds a lease, no server leads a later term
 * - `callsSettle`: every call gets an outcome
 * - `queuesAreBounded`: queues, windows and entries in memory stay within their limits
 * - `leaderHearsMajority`: a leader that does not hear from a majority steps down in time
 * - `stalledLeaderStepsDown`: a leader whose disk stopped answering does not keep leading
 * - `fullClustersLead`: if all disks are full, a leader is elected and does not step down needlessly
 * - `stallsAreForgiven`: a server does not campaign or step down because its own process stalled
 * - `logTimeIsSteady`: log time never decreases along a log, and never runs faster than real time
 * - `appliesOnce`: a command is applied at most once, however often messages arrive
 * - `recovers`: after the faults end, a leader is elected, commits writes and serves reads
 * - `converges`: after the faults end, all servers commit and apply all entries
 * - `isQuiet`: without requests, servers send only heartbeats and wake up only for them
 * - `assertions`: the code under test never throws, and nodes stop only because of injected errors
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
  'quorumsOverlap',
  'levelsAreRead',
  'termIsDurable',
  'readsAreFresh',
  'leasesExclude',
  'callsSettle',
  'queuesAreBounded',
  'leaderHearsMajority',
  'stalledLeaderStepsDown',
  'fullClustersLead',
  'stallsAreForgiven',
  'logTimeIsSteady',
  'appliesOnce',
  'recovers',
  'converges',
  'isQuiet',
  'assertions',
] as const;

/**
 * Invariants that only the full world checks.
 *
 * - `appliesInOrder`: a state machine applies every command exactly once, in order
 * - `equalStates`: state machines that applied the same entries have equal results and states
 * - `openedIsDurable`: all data that a store reports when it opens is durable
 * - `acknowledgedIsDurable`: acknowledged entries are on the disks of a majority
 * - `oneEpochServes`: after a recovery, no server of an earlier epoch answers clients
 * - `linearizable`: the workload finds no contradictions in the answers to clients
 * - `versionsAreKnown`: a version of the state machine is raised only after every member has
 *   announced it
 * - `refusedChangesNothing`: a membership call has no effect, not even later, if it rejects with an
 *   error other than an unknown outcome
 */
export const NODE_INVARIANTS = [
  'appliesInOrder',
  'equalStates',
  'openedIsDurable',
  'acknowledgedIsDurable',
  'oneEpochServes',
  'linearizable',
  'versionsAreKnown',
  'refusedChangesNothing',
] as const;

export type Invariant = (typeof INVARIANTS)[number] | (typeof NODE_INVARIANTS)[number];

/** The error thrown when an invariant is broken. */
export class Violation extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant, message: string, options?: ErrorOptions) {
    super(`${invariant}: ${message}`, options);
    this.name = 'Violation';
    this.invariant = invariant;
  }
}

/**
 * Handles the rejection of a promise that nothing awaits. Ignores violations, because the checker
 * has already recorded them, and rethrows all other errors.
 */
export function ignoreViolation(error: unknown): void {
  if (!(error instanceof Violation)) throw error;
}
