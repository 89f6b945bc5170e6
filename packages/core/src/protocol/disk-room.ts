import type { ServerId } from '../log/server.js';
import type { Progress } from './progress.js';
import { voteResult } from './quorum.js';
import type { Server } from './role.js';
import { answers } from './voters.js';

type Peers = ReadonlyMap<ServerId, Progress>;

/** Returns whether so many disks are full that no quorum has room to store a command. */
export function quorumIsFull({ membership, id, full }: Server, peers: Peers): boolean {
  let anyFull = full;
  for (const progress of peers.values()) anyFull ||= progress.full;
  // This function runs for every proposal, and full disks are rare, so the common case returns
  // early.
  if (!anyFull) return false;
  const hasRoom = (voter: ServerId): boolean => (voter === id ? !full : peers.get(voter)?.full !== true);
  return voteResult(membership, hasRoom) === 'lost';
}

/**
 * Returns whether a quorum of other servers is alive and has reported free disk space in heartbeat
 * round `since` or later. Earlier reports prove nothing, because disks often fill up at the same
 * time.
 */
export function othersHaveRoom(server: Server, peers: Peers, since: number): boolean {
  const hasRoom = (voter: ServerId): boolean => {
    const progress = peers.get(voter);
    if (progress === undefined || progress.full) return false;
    return answers(server, voter, progress) && progress.roomRound >= since;
  };
  return voteResult(server.membership, hasRoom) === 'won';
}
