import { describe, expect, it } from 'vitest';
import type { Message } from '@kontiki/core';
import type { RoleName } from '../../src/protocol/role.js';
import { command, Scenario } from '@kontiki/testing';
import { meta } from '../wire/snapshot-samples.js';

/** A server in each role, in term 5, with a log of the bootstrap entry and one of term 3; b leads its followers. */
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
  }
}

interface Outcome {
  role: RoleName;
  term: number;
  answer: Message['kind'] | undefined;
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
] as const satisfies Message['kind'][];
const roles: RoleName[] = ['follower', 'preCandidate', 'candidate', 'leader'];
const leaders: readonly Message['kind'][] = ['append', 'heartbeat', 'commit', 'snapshotOffer', 'snapshotChunk'];

const answers: Partial<Record<Message['kind'], Message['kind']>> = {
  preVote: 'preVoteReply',
  vote: 'voteReply',
  append: 'appendAccepted',
  heartbeat: 'heartbeatReply',
};

/** What the rules of Raft Figure 2 and of thesis §9.6 and §4.2.3 say, written down apart from the code. */
function expected(role: RoleName, kind: Message['kind'], order: 'lower' | 'same' | 'higher'): Outcome {
  const stays: Outcome = { role, term: 5, answer: undefined };
  if (kind === 'preVote') return { ...stays, answer: 'preVoteReply' }; // Changes nothing, is always answered.
  if (order === 'lower') {
    // Old leaders and candidates are told the term; a word that is over gets none.
    if (kind === 'vote') return { ...stays, answer: 'voteReply' };
    if (leaders.includes(kind) && kind !== 'commit') return { ...stays, answer: 'heartbeatReply' };
    // A pre-vote reply of a voter in an older term counts: one refusal of two does not decide yet.
    return stays;
  }
  if (order === 'higher') {
    if (kind === 'vote' && role === 'leader') return stays; // It lives, so nobody else gets a vote.
    return { role: 'follower', term: 6, answer: answers[kind] };
  }
  if (role === 'leader') {
    // No second leader of a term can be; votes of it are over; it does answer a candidate of its own term.
    return kind === 'vote' ? { ...stays, answer: 'voteReply' } : stays;
  }
  if (leaders.includes(kind)) return { role: 'follower', term: 5, answer: answers[kind] };
  if (kind === 'vote') return { ...stays, answer: 'voteReply' };
  return stays;
}

describe('role x message x term', () => {
  for (const role of roles) {
    for (const kind of kinds) {
      for (const [order, term] of [
        ['lower', 4],
        ['same', 5],
        ['higher', 6],
      ] as const) {
        it(`${role}, ${kind} of a ${order} term`, () => {
          const cluster = serverIn(role);
          const sent = message(kind, term, cluster.server('a').incarnation);
          cluster.forge('b', 'a', sent);
          cluster.writeAll('a');
          const answer = cluster.underWay.find(
            ({ to, message: { kind: k } }) => to === 'b' && k !== 'append' && k !== 'heartbeat',
          );
          const { raft } = cluster.server('a');
          const got: Outcome = { role: raft.role, term: raft.ballot.term, answer: answer?.message.kind };
          expect(got).toEqual(expected(role, kind, order));
          // A vote in a term that this server campaigned in, or leads, is never granted (row 6).
          const granted = answer?.message.kind === 'voteReply' && answer.message.granted;
          expect(granted).toBe(
            kind === 'vote' &&
              (order === 'higher'
                ? role !== 'leader'
                : order === 'same' && (role === 'follower' || role === 'preCandidate')),
          );
          // The same message again, and everything else, in any role: nothing throws (rows 5, 12, 25).
          for (const other of kinds) cluster.forge('c', 'a', message(other, term, cluster.server('a').incarnation));
          cluster.forge('b', 'a', sent);
        });
      }
    }
  }
});
