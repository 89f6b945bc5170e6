import { isVoter, type Membership } from '../log/membership.js';
import type { ServerId } from '../log/server.js';
import type { Progress } from './progress.js';
import type { Server } from './role.js';

type Peers = ReadonlyMap<ServerId, Progress>;

/** A learner may be this many entries behind when it becomes a voter. */
const MAX_LAG = 1_000;

/**
 * Returns whether what a voter acknowledges counts: its history and its disk are the right ones.
 */
export function counts(server: Server, id: ServerId, progress: Progress | undefined): progress is Progress {
  return progress !== undefined && !progress.isExcluded && server.trusts(id, progress.store);
}

/**
 * Returns whether a peer counts, and is not known to be away. A peer that has not answered yet gets
 * an election timeout to do so.
 */
export function mayAnswer(server: Server, id: ServerId, progress: Progress | undefined): boolean {
  return counts(server, id, progress) && server.now - progress.lastActive <= server.timings.election;
}

/** Returns whether a peer counts, and has answered within the election timeout. */
export function answers(server: Server, id: ServerId, progress: Progress | undefined): boolean {
  return progress?.incarnation !== 0 && mayAnswer(server, id, progress);
}

/** Returns a new voter that has too little of the log to count, if there is one. */
export function laggard(server: Server, peers: Peers, next: Membership): ServerId | undefined {
  const { id, log, membership } = server;
  return next.voters.find((voter) => {
    if (voter === id || isVoter(membership, voter)) return false;
    const progress = peers.get(voter);
    const match = counts(server, voter, progress) ? progress.match : 0;
    return progress?.level === undefined || match === 0 || match < log.lastIndex - MAX_LAG;
  });
}

/** Returns the voter that answers and has the most of the log; undefined if none answers. */
export function bestSuccessor(server: Server, peers: Peers): ServerId | undefined {
  const able = [...peers].filter(
    ([id, progress]) => server.membership.voters.includes(id) && answers(server, id, progress) && !progress.full,
  );
  const [best] = able.sort(([, a], [, b]) => b.match - a.match);
  return best?.[0];
}
