import type { ServerId, ServerInfo } from './server.js';

/**
 * Who takes part in a cluster. Joint while `outgoing` is not empty: then elections, commits, reads and check-quorum
 * each need a majority of `voters` and one of `outgoing` (Raft §6; thesis §4.3).
 */
export interface Membership {
  /** Whose majority decides. Never empty. */
  readonly voters: readonly ServerId[];
  /** The voters before a joint change, whose majority is needed as well until it is left; otherwise empty. */
  readonly outgoing: readonly ServerId[];
  /** Servers that receive the log and do not count. */
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

/** Whether this server's vote counts in elections and its log in commits. */
export function isVoter(membership: Membership, id: ServerId): boolean {
  return membership.voters.includes(id) || membership.outgoing.includes(id);
}

/** A membership that is not joint, from a list of voters. */
export function membershipOf(
  servers: Iterable<readonly [ServerId, ServerInfo]>,
  learners: readonly ServerId[] = none,
): Membership {
  const all = new Map(servers);
  const voters = [...all.keys()].filter((id) => !learners.includes(id));
  return { voters, outgoing: none, learners, learnersNext: none, servers: all };
}

/** What is wrong with a membership, in a sentence's words; undefined when nothing is. The rules are those of thesis §4.3 and of the type above. */
export function membershipFault(membership: Membership): string | undefined {
  const { voters, outgoing, learners, learnersNext, servers } = membership;
  if (voters.length === 0) return 'it has no voter';
  for (const [name, ids] of Object.entries({ voters, outgoing, learners, learnersNext })) {
    if (new Set(ids).size !== ids.length) return `${name} names a server twice`;
    const stranger = ids.find((id) => !servers.has(id));
    if (stranger !== undefined) return `${name} names ${JSON.stringify(stranger)}, which has no address`;
  }
  const voting = new Set([...voters, ...outgoing]);
  const both = learners.find((id) => voting.has(id));
  if (both !== undefined) return `${JSON.stringify(both)} is a voter and a learner`;
  const early = learnersNext.find((id) => !outgoing.includes(id) || voters.includes(id));
  if (early !== undefined) return `${JSON.stringify(early)} of learnersNext is not an outgoing voter only`;
  const named = new Set([...voting, ...learners]);
  for (const id of servers.keys()) if (!named.has(id)) return `${JSON.stringify(id)} has an address and no part`;
  return undefined;
}
