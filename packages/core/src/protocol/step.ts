import type { Position } from '../log/entry.js';
import type { ServerId } from '../log/server.js';
import { Leader } from './leader.js';
import type { ProposalRefusal, Received } from './message.js';
import type { RaftServer } from './raft-server.js';
import { answerPreVote, answerVote, takesOver } from './votes.js';

/** Kinds of messages that a server processes even if they are from an earlier term. */
const SURVIVES_ITS_TERM: ReadonlySet<Received['kind']> = new Set([
  'preVoteReply',
  'propose',
  'proposeReply',
  'delegate',
  'delegateReply',
]);

/**
 * Kinds of messages that only the leader of a term sends. A server that receives one follows the
 * sender.
 */
const FROM_LEADER: ReadonlySet<Received['kind']> = new Set([
  'append',
  'heartbeat',
  'commit',
  'snapshotOffer',
  'snapshotChunk',
  'unreadable',
]);

/**
 * Processes a message by the rules for all servers (Raft §5.1, Figure 2). When a message from a
 * higher term arrives, this server enters that term. Messages from an earlier term are stale. All
 * other messages are passed to the server's current role.
 */
export function step(
  server: RaftServer,
  from: ServerId,
  message: Received,
  propose: (data: Uint8Array) => Position | ProposalRefusal,
): void {
  // Ignore answers that are addressed to an earlier incarnation of this server.
  if ('to' in message && message.to !== server.incarnation) return;
  if (!server.lives.accepts(from, message)) return;
  if (message.kind === 'preVote') return answerPreVote(server, from, message);
  if (message.term > server.ballot.term) {
    // A server that has recently received a message from a leader ignores candidates. Otherwise,
    // removed servers could disrupt the cluster with their campaigns (Raft §6, thesis §4.2.3).
    const refuses = server.role.leaderAlive || !server.mayVote;
    if (message.kind === 'vote' && refuses && !takesOver(message, server.ballot.term)) return;
    if (server.role.name === 'leader') server.report({ kind: 'steppedDown', reason: 'higherTerm' });
    server.follow(message.term, undefined);
  } else if (message.term < server.ballot.term && !SURVIVES_ITS_TERM.has(message.kind)) {
    return answerStale(server, from, message);
  }
  dispatch(server, from, message, propose);
}

/**
 * Answers a stale message. Tells a leader or a candidate of an earlier term about the current term,
 * and drops stale answers.
 */
function answerStale(server: RaftServer, from: ServerId, message: Received): void {
  const { incarnation: to } = message;
  if (message.kind === 'vote') {
    server.send(from, { kind: 'voteReply', ...server.header, to, granted: false });
  } else if ('stream' in message && !('to' in message)) {
    const { stream } = message;
    const { header, full, log, level, behavior } = server;
    const state = { full, blank: log.blank, level, behavior };
    server.send(from, { kind: 'heartbeatReply', ...header, to, stream, round: 0, ...state });
  }
}

function dispatch(
  server: RaftServer,
  from: ServerId,
  message: Received,
  propose: (data: Uint8Array) => Position | ProposalRefusal,
): void {
  if (FROM_LEADER.has(message.kind) && !followSender(server, from)) return;
  switch (message.kind) {
    case 'vote':
      return answerVote(server, from, message);
    case 'append':
      return server.role.append(from, message);
    case 'heartbeat':
      return server.role.heartbeat(from, message);
    case 'commit':
      return server.role.commit(from, message);
    case 'snapshotOffer':
      return server.role.snapshotOffer(from, message);
    case 'snapshotChunk':
      return server.role.snapshotChunk(from, message);
    case 'timeoutNow':
      if (server.leader === from) server.role.timeoutNow(from, message);
      return;
    case 'unreadable':
      return server.role.unreadable(from, message);
    case 'snapshotAck':
      return server.role.snapshotAck(from, message);
    case 'preVoteReply':
      return server.role.preVoteReply(from, message);
    case 'voteReply':
      return server.role.voteReply(from, message);
    case 'appendAccepted':
      return server.role.appendAccepted(from, message);
    case 'appendRejected':
      return server.role.appendRejected(from, message);
    case 'heartbeatReply':
      return server.role.heartbeatReply(from, message);
    case 'readIndex':
      return server.role.readIndex(from, message);
    case 'readIndexReply':
      return server.role.readIndexReply(from, message);
    case 'propose':
      return server.forwarded.take(from, message, propose);
    case 'proposeReply':
      return server.output.forwarded(message);
    case 'delegate':
      return server.forwarded.takeCall(from, message);
    case 'delegateReply':
      return server.output.delegated({ from, message });
    case 'preVote':
      return;
  }
}

/**
 * Follows the sender of a leader's message in the current term. If a different server already leads
 * this term, reports the second leader and returns false, because Raft allows only one leader per
 * term.
 */
function followSender(server: RaftServer, from: ServerId): boolean {
  if (server.role.name === 'leader' || (server.leader !== undefined && server.leader !== from)) {
    if (server.role instanceof Leader) server.role.exclude(from);
    server.reportOnce({ kind: 'secondLeader', peer: from });
    return false;
  }
  server.follow(server.ballot.term, from);
  return true;
}
