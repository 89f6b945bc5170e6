import type { ServerId } from '../log/server.js';
import { Follower } from './follower.js';
import type { PreVote, Vote } from './message.js';
import type { RaftServer } from './raft-server.js';

/**
 * Answers a pre-vote, and grants it if and only if this server would also grant the vote. A refusal
 * carries this server's term, so that higher terms spread without elections (thesis §9.6).
 */
export function answerPreVote(server: RaftServer, from: ServerId, message: PreVote): void {
  const { term, incarnation: to } = message;
  const { ballot, role, mayVote } = server;
  const granted = term >= ballot.term && !role.leaderAlive && mayVote && wouldVoteFor(server, message);
  server.send(from, { kind: 'preVoteReply', ...server.header, to, candidacy: term + 1, granted });
}

/**
 * Answers a vote request of the current term. Grants the vote to at most one candidate per term
 * (Raft §5.2), and to none while another leader may hold a lease. A candidate that a leader asked
 * to take over is an exception, because that leader has given up its lease.
 */
export function answerVote(server: RaftServer, from: ServerId, message: Vote): void {
  const { term, votedFor } = server.ballot;
  const allowed = server.mayVote || message.transfer === true;
  const free = allowed && votedFor === undefined && server.leader === undefined && wouldVoteFor(server, message);
  if (free) {
    server.setBallot({ term, votedFor: from });
    if (server.role instanceof Follower) server.role.restartTimer();
  }
  const granted = free || votedFor === from;
  server.output.sendAfterWrite(from, { kind: 'voteReply', ...server.header, to: message.incarnation, granted });
}

/**
 * Returns whether the leader of the term `current` asked the candidate to campaign. Such a request
 * is valid only for the next term.
 */
export function takesOver({ term, transfer }: Vote, current: number): boolean {
  return transfer === true && term === current + 1;
}

/** Returns whether the candidate's log is complete enough for this server's vote (Raft §5.4.1). */
function wouldVoteFor({ log }: RaftServer, { lastIndex, lastTerm }: PreVote | Vote): boolean {
  return !log.blank && log.isUpToDate({ index: lastIndex, term: lastTerm });
}
