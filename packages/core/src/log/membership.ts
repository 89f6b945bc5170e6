import type { ServerId, ServerInfo } from './server.js';

/**
 * The servers of a cluster and their parts. The membership is joint while `outgoing` is not empty:
 * then elections, commits, reads and check-quorum each need a majority of `voters` and a majority
 * of `outgoing` (Raft §6; thesis §4.3).
 */
export interface Membership {
  /** The servers whose majority decides. Never empty. */
  readonly voters: readonly ServerId[];
  /**
   * The voters before a joint change, whose majority is needed, too, until the joint membership is
   * left. Empty otherwise.
   */
  readonly outgoing: readonly ServerId[];
  /** Servers that receive the log but do not count. */
  readonly learners: readonly ServerId[];
  /** Outgoing voters that become learners when the joint membership is left. */
  readonly learnersNext: readonly ServerId[];
  /** Each server named above, and no other. */
  readonly servers: ReadonlyMap<ServerId, ServerInfo>;
}

/** A membership and the index of the entry that holds it. */
export interface MembershipAt {
  readonly index: number;
  readonly membership: Membership;
}

const none: readonly ServerId[] = [];

/** Returns whether a server's vote counts in elections and its log in commits. */
export function isVoter(membership: Membership, id: ServerId): boolean {
  return membership.voters.includes(id) || membership.outgoing.includes(id);
}

/** Builds a membership that is not joint. All servers are voters, except for the learners. */
export function membershipOf(
  servers: Iterable<readonly [ServerId, ServerInfo]>,
  learners: readonly ServerId[] = none,
): Membership {
  const all = new Map(servers);
  const voters = [...all.keys()].filter((id) => !learners.includes(id));
  return { voters, outgoing: none, learners, learnersNext: none, servers: all };
}

/**
 * Returns what is wrong with a membership, as part of a sentence; undefined if it is valid. The
 * rules are those of thesis §4.3 and of `Membership`.
 */
export function membershipFault(membership: Membership): string | undefined {
  const { voters, outgoing, learners, learnersNext, servers } = membership;
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
  const named = new Set([...voting, ...learners]);
  for (const id of servers.keys())
    if (!named.has(id)) return `${JSON.stringify(id)} has an address, but is neither voter nor learner`;
  return undefined;
}
