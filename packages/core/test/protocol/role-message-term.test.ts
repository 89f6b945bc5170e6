// Shows how a server in each role reacts to each kind of message from a lower, equal or higher
// term. Compares each reaction with a table of Raft's rules.
import { describe, expect, it } from 'vitest';
import type { Message } from '@kontiki/core';
import type { RoleName } from '../../src/protocol/role.js';
import { command, Scenario } from '@kontiki/testing';
import { meta } from '../wire/snapshot-samples.js';

/**
 * Returns a scenario in which server `a` has the given role in term 5. Its log contains the
 * bootstrap entry and an entry of term 3.
 */
function serverIn(role: RoleName): Scenario {
  const cluster = new Scenario(['a', 'b', 'c']);
  const { disk } = cluster.server('a');
  disk.entries.push(command(2, 3));
  disk.ballot = { term: role === 'follower' || role === 'preCandidate' ? 5 : 4, votedFor: undefined };
  cluster.start('a');
  if (role === 'preCandidate') cluster.campaign('a');
  if (role === 'candidate' || role === 'leader') cluster.makeCandidate('a');
  cluster.writeAll('a');
  if (role === 'leader') {
    const to = cluster.server('a').incarnation;
    cluster.forge('b', 'a', { kind: 'voteReply', term: 5, incarnation: 7, to, granted: true });
    cluster.writeAll('a');
  }
  expect(cluster.raft('a').role).toBe(role);
  expect(cluster.raft('a').ballot.term).toBe(5);
  cluster.drop();
  return cluster;
}

function message(kind: Message['kind'], term: number, to: number): Message {
  const from = { term, incarnation: 7 };
  switch (kind) {
    case 'preVote':
    case 'vote':
      return { kind, ...from, lastIndex: 9, lastTerm: 4 };
    case 'preVoteReply':
      return { kind, ...from, to, candidacy: 6, granted: false };
    case 'voteReply':
      return { kind, ...from, to, granted: false };
    case 'append':
      return { kind, ...from, stream: 1, prevIndex: 2, prevTerm: 3, committed: 1, entries: [command(3, term)] };
    case 'appendAccepted':
      return { kind, ...from, to, stream: 1, match: 2, full: false };
    case 'appendRejected':
      return { kind, ...from, to, stream: 1, prevIndex: 2, hintIndex: 1, hintTerm: 1, blank: false, full: false };
    case 'heartbeat':
      return { kind, ...from, stream: 1, round: 0, committed: 1 };
    case 'heartbeatReply':
      return { kind, ...from, to, stream: 1, round: 0, blank: false, full: false };
    case 'commit':
      return { kind, ...from, committed: 1 };
    case 'readIndex':
      return { kind, ...from, ticket: 1 };
    case 'readIndexReply':
      return { kind, ...from, to, ticket: 1, index: 1 };
    case 'snapshotOffer':
      return { kind, ...from, stream: 1, bytes: 100, meta: { ...meta, last: { index: 9, term: 4 } } };
    case 'snapshotChunk':
      return { kind, ...from, stream: 1, id: meta.id, offset: 0, data: new Uint8Array(1) };
    case 'snapshotAck':
      return { kind, ...from, to, stream: 1, id: meta.id, offset: 1 };
    case 'timeoutNow':
      return { kind, ...from, to };
    case 'propose':
      return { kind, ...from, ticket: 1, commands: [new Uint8Array(1)] };
    case 'proposeReply':
      return { kind, ...from, to, ticket: 1, accepted: 1, index: 9, refused: undefined };
    case 'delegate':
      return { kind, ...from, ticket: 1, request: new Uint8Array(1) };
    case 'delegateReply':
      return { kind, ...from, to, ticket: 1, reply: new Uint8Array(1) };
  }
}

/** The state of a server after a message, and the kind of its reply. */
interface Reaction {
  role: RoleName;
  term: number;
  reply: Message['kind'] | undefined;
}

const kinds = [
  'preVote',
  'preVoteReply',
  'vote',
  'voteReply',
  'append',
  'appendAccepted',
  'appendRejected',
  'heartbeat',
  'heartbeatReply',
  'commit',
  'readIndex',
  'readIndexReply',
  'snapshotOffer',
  'snapshotChunk',
  'snapshotAck',
  'timeoutNow',
  'propose',
  'proposeReply',
  'delegate',
  'delegateReply',
] as const satisfies Message['kind'][];
const roles: RoleName[] = ['follower', 'preCandidate', 'candidate', 'leader'];
/** The kinds of messages that only a leader sends. */
const fromLeaders: readonly Message['kind'][] = ['append', 'heartbeat', 'commit', 'snapshotOffer', 'snapshotChunk'];

/** The kinds of replies to messages that a server accepts. */
const replies: Partial<Record<Message['kind'], Message['kind']>> = {
  preVote: 'preVoteReply',
  vote: 'voteReply',
  append: 'appendAccepted',
  heartbeat: 'heartbeatReply',
  propose: 'proposeReply',
  delegate: 'delegateReply',
};

/**
 * Returns the reaction expected by the rules of Raft (Figure 2, and thesis §9.6 and §4.2.3).
 * Written independently of the code.
 */
function expected(role: RoleName, kind: Message['kind'], order: 'lower' | 'same' | 'higher'): Reaction {
  const unchanged: Reaction = { role, term: 5, reply: undefined };
  // A pre-vote changes nothing and always gets a reply.
  if (kind === 'preVote') return { ...unchanged, reply: 'preVoteReply' };
  if (order === 'lower') {
    // A reply informs leaders and candidates of earlier terms about the current term. All other
    // messages from earlier terms get no reply.
    if (kind === 'vote') return { ...unchanged, reply: 'voteReply' };
    if (fromLeaders.includes(kind) && kind !== 'commit') return { ...unchanged, reply: 'heartbeatReply' };
    // A pre-vote reply from an earlier term counts, but here it is a refusal. One refusal does not
    // decide the election.
    return unchanged;
  }
  if (order === 'higher') {
    if (kind === 'vote' && role === 'leader') return unchanged; // A leader grants no votes.
    return { role: 'follower', term: 6, reply: replies[kind] };
  }
  // The server was started in this term as a follower or pre-candidate. An earlier process of the
  // same server may have led this term and appended the commands, so the server does not refuse
  // them.
  if (kind === 'propose')
    return { ...unchanged, reply: role === 'leader' || role === 'candidate' ? 'proposeReply' : undefined };
  // For the same reason, a follower does not refuse delegated calls. A leader passes a call to its
  // node, which replies later.
  if (kind === 'delegate') return { ...unchanged, reply: role === 'candidate' ? 'delegateReply' : undefined };
  if (role === 'leader') {
    // A term has only one leader. The leader refuses candidates of its term and replies to no other
    // message.
    return kind === 'vote' ? { ...unchanged, reply: 'voteReply' } : unchanged;
  }
  if (fromLeaders.includes(kind)) return { role: 'follower', term: 5, reply: replies[kind] };
  if (kind === 'vote') return { ...unchanged, reply: 'voteReply' };
  return unchanged;
}

describe('reaction of a server by role, message and term', () => {
  for (const role of roles) {
    for (const kind of kinds) {
      for (const [order, term] of [
        ['lower', 4],
        ['same', 5],
        ['higher', 6],
      ] as const) {
        it(`a ${role} handles ${kind} from a ${order} term by Raft's rules`, () => {
          const cluster = serverIn(role);
          const sent = message(kind, term, cluster.server('a').incarnation);
          cluster.forge('b', 'a', sent);
          cluster.writeAll('a');
          const reply = cluster.underWay.find(
            ({ to, message: { kind: k } }) => to === 'b' && k !== 'append' && k !== 'heartbeat',
          );
          const { raft } = cluster.server('a');
          const got: Reaction = { role: raft.role, term: raft.ballot.term, reply: reply?.message.kind };
          expect(got).toEqual(expected(role, kind, order));
          // A server grants no vote in a term in which it campaigns or leads. bugs.md#6
          const granted = reply?.message.kind === 'voteReply' && reply.message.granted;
          expect(granted).toBe(
            kind === 'vote' &&
              (order === 'higher'
                ? role !== 'leader'
                : order === 'same' && (role === 'follower' || role === 'preCandidate')),
          );
          // Later messages of every kind, including duplicates, do not throw. bugs.md#12,
          // bugs.md#25
          for (const other of kinds) cluster.forge('c', 'a', message(other, term, cluster.server('a').incarnation));
          cluster.forge('b', 'a', sent);
        });
      }
    }
  }
});
