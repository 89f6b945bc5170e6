import type { Member, ServerId } from './server.js';

/**
 * The servers of a cluster and their roles as voters or learners. The membership is joint while
 * `outgoing` is not empty. During that time, elections, commits, reads and check-quorum each need
 * majorities of both `voters` and `outgoing` (Raft §6; thesis §4.3).
 */
export interface Membership {
  /**
   * The feature level of the cluster, which limits the contents of the log so that every member can
   * read it. Level 0 is the first released format, which cannot be changed.
   */
  readonly level: number;
  /**
   * Number of changes that operators have made. Leaving a joint phase does not count as a change.
   */
  readonly revision: number;
  /**
   * Whether the store of every initial voter has been recorded. Until then, a server that lost its
   * disk looks the same as one that did not. So every decision needs all voters instead of a
   * majority.
   */
  readonly founded: boolean;
  /**
   * 32 hexadecimal digits, drawn at random when the cluster was recovered after losing a majority;
   * empty if it was never recovered. Servers with different epochs do not communicate.
   */
  readonly epoch: string;
  /**
   * The length of a leader's lease in milliseconds; 0 if leases are off. A server votes for no
   * candidate while it may be part of a leader's lease (`protocol/lease.ts`).
   */
  readonly leaseMs: number;
  /** Servers of which a majority is needed for elections and commits. Never empty. */
  readonly voters: readonly ServerId[];
  /**
   * Voters of the previous membership while the membership is joint. A majority of them is also
   * needed. Empty if the membership is not joint.
   */
  readonly outgoing: readonly ServerId[];
  /** Servers that receive the log but do not vote. */
  readonly learners: readonly ServerId[];
  /** Outgoing voters that become learners when the joint phase ends. */
  readonly learnersNext: readonly ServerId[];
  /** The address, metadata and store of each server in the lists above, and of no other servers. */
  readonly servers: ReadonlyMap<ServerId, Member>;
}

/** A membership and the index of its log entry. */
export interface MembershipAt {
  readonly index: number;
  readonly membership: Membership;
}

const none: readonly ServerId[] = [];

/**
 * Returns whether a server is a voter or an outgoing voter, so that it counts in elections and
 * commits.
 */
export function isVoter(membership: Membership, id: ServerId): boolean {
  return membership.voters.includes(id) || membership.outgoing.includes(id);
}

/**
 * Returns the epoch of the newest membership that contains a server, or undefined if no membership
 * contains it.
 */
export function epochOf(memberships: readonly MembershipAt[], id: ServerId): string | undefined {
  return memberships.findLast(({ membership }) => membership.servers.has(id))?.membership.epoch;
}

/** The highest feature level that this version can read. */
export const LEVEL = 2;

/** The lowest feature level at which leases can be enabled. */
export const LEASE_LEVEL = 2;

/**
 * Returns a membership in which no change is in progress and every initial store is recorded. Every
 * server is a voter, except for the learners.
 */
export function membershipOf(
  servers: Iterable<readonly [ServerId, Member]>,
  learners: readonly ServerId[] = none,
  level: number = LEVEL,
): Membership {
  const all = new Map(servers);
  const voters = [...all.keys()].filter((id) => !learners.includes(id));
  return {
    level,
    revision: 0,
    founded: true,
    epoch: '',
    leaseMs: 0,
    voters,
    outgoing: none,
    learners,
    learnersNext: none,
    servers: all,
  };
}

/**
 * Returns the reason why a membership is invalid, as a sentence fragment; undefined if the
 * membership is valid. The rules come from thesis §4.3 and the descriptions of the fields of
 * `Membership`.
 */
export function membershipFault(membership: Membership): string | undefined {
  const { level, founded, epoch, leaseMs, voters, outgoing, learners, learnersNext, servers } = membership;
  if (voters.length === 0) return 'it has no voter';
  for (const [name, ids] of Object.entries({ voters, outgoing, learners, learnersNext })) {
    if (new Set(ids).size !== ids.length) return `${name} names a server twice`;
    const unlisted = ids.find((id) => !servers.has(id));
    if (unlisted !== undefined) return `${name} names ${JSON.stringify(unlisted)}, which has no address`;
  }
  const voting = new Set([...voters, ...outgoing]);
  const both = learners.find((id) => voting.has(id));
  if (both !== undefined) return `${JSON.stringify(both)} is a voter and a learner`;
  const early = learnersNext.find((id) => !outgoing.includes(id) || voters.includes(id));
  if (early !== undefined)
    return `${JSON.stringify(early)} is in learnersNext, but is not an outgoing voter that leaves`;
  if (!/^([0-9a-f]{32})?$/.test(epoch)) return `${JSON.stringify(epoch)} is not an epoch`;
  const stored = [...servers.values()].some(({ store }) => store !== undefined);
  if (level === 0 && (!founded || epoch !== '' || stored)) return 'level 0 has neither stores nor epochs';
  if (level < LEASE_LEVEL && leaseMs !== 0) return `level ${level} has no leases`;
  if (!founded && outgoing.length > 0) return 'it is joint before it is founded';
  const named = new Set([...voting, ...learners]);
  for (const id of servers.keys())
    if (!named.has(id)) return `${JSON.stringify(id)} has an address, but is neither voter nor learner`;
  return undefined;
}
