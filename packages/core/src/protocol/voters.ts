import { isVoter, type Membership } from '../log/membership.js';
import type { ServerId } from '../log/server.js';
import type { Progress } from './progress.js';
import { voteResult } from './quorum.js';
import type { Server } from './role.js';

type Peers = ReadonlyMap<ServerId, Progress>;

/** Maximum number of entries by which a learner may lag behind when it becomes a voter. */
const MAX_LAG = 1_000;

/**
 * Returns whether a voter's acknowledgements count toward a quorum. Its log must not contradict the
 * leader's, and it must be running on the disk that the membership records for it.
 */
export function counts(server: Server, id: ServerId, progress: Progress | undefined): progress is Progress {
  return progress !== undefined && !progress.isExcluded && server.trusts(id, progress.store);
}

/**
 * Returns whether a peer counts toward a quorum and may be alive. A peer that has not answered yet
 * may be alive for one election timeout.
 */
export function mayAnswer(server: Server, id: ServerId, progress: Progress | undefined): boolean {
  return counts(server, id, progress) && server.now - progress.lastActive <= server.timings.election;
}

/**
 * Returns whether a peer counts toward a quorum and has answered within the last election timeout.
 */
export function answers(server: Server, id: ServerId, progress: Progress | undefined): boolean {
  return progress?.incarnation !== 0 && mayAnswer(server, id, progress);
}

/**
 * Returns whether this server and the peers that satisfy a condition form a quorum. A majority is
 * always sufficient here, even while decisions need all voters, because this check decides nothing
 * permanent.
 */
export function hasQuorum(server: Server, peers: Peers, members: Membership, property: typeof answers): boolean {
  const has = (voter: ServerId): boolean => voter === server.id || property(server, voter, peers.get(voter));
  return voteResult({ ...members, founded: true }, has) === 'won';
}

/** Returns a new voter whose log is too far behind, or undefined if there is none. */
export function laggard(server: Server, peers: Peers, next: Membership): ServerId | undefined {
  const { id, log, membership } = server;
  return next.voters.find((voter) => {
    if (voter === id || isVoter(membership, voter)) return false;
    const progress = peers.get(voter);
    const match = counts(server, voter, progress) ? progress.match : 0;
    return progress?.level === undefined || match === 0 || match < log.lastIndex - MAX_LAG;
  });
}

/**
 * Returns the most up-to-date voter that is responding and whose disk is not full, or undefined if
 * there is none.
 */
export function bestSuccessor(server: Server, peers: Peers): ServerId | undefined {
  const able = [...peers].filter(
    ([id, progress]) => server.membership.voters.includes(id) && answers(server, id, progress) && !progress.full,
  );
  const [best] = able.sort(([, a], [, b]) => b.match - a.match);
  return best?.[0];
}
