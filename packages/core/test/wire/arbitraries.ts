import fc from 'fast-check';
import { membershipOf, type Entry, type Membership, type Message, type ServerInfo } from '@kontiki/core';
import { meta } from './snapshot-samples.js';

// Arbitraries (generators for fast-check) for valid messages and entries of every kind, with
// numbers up to the maximum.

const index = fc.oneof(fc.nat(20), fc.maxSafeNat());
const incarnation = fc.oneof(
  fc.integer({ min: 1, max: 20 }),
  fc.maxSafeInteger().filter((n) => n > 0),
);
const id = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
const utf8 = new TextEncoder();
const text = (bytes: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'grapheme', maxLength: 40 }).filter((s) => utf8.encode(s).length <= bytes);

/** An arbitrary for valid memberships of 1 to 32 servers. */
export const membership: fc.Arbitrary<Membership> = fc
  .uniqueArray(fc.tuple(id, fc.record<ServerInfo>({ address: text(512), metadata: text(1024) })), {
    minLength: 1,
    maxLength: 32,
    selector: ([name]) => name,
  })
  .chain((servers) =>
    fc
      .tuple(
        fc.constantFrom(
          { level: 0, revision: 0, founded: true, epoch: '', leaseMs: 0 },
          { level: 1, revision: 0, founded: false, epoch: '', leaseMs: 0 },
          { level: 1, revision: Number.MAX_SAFE_INTEGER, founded: true, epoch: 'f00dface'.repeat(4), leaseMs: 0 },
          { level: 2, revision: 3, founded: true, epoch: '', leaseMs: 500 },
          { level: 2, revision: 3, founded: true, epoch: 'f00dface'.repeat(4), leaseMs: 0xffff_ffff },
        ),
        fc.array(fc.constantFrom('voter', 'outgoing', 'both', 'learner', 'next'), {
          minLength: servers.length,
          maxLength: servers.length,
        }),
      )
      .map(([feature, parts]) => {
        // A membership is never joint before the cluster is founded.
        const partOf = (i: number): string =>
          i === 0 || (!feature.founded && parts[i] !== 'learner') ? 'voter' : (parts[i] as string);
        const named = (...wanted: string[]): string[] =>
          servers.map(([name]) => name).filter((_, i) => wanted.includes(partOf(i)));
        return {
          ...feature,
          voters: named('voter', 'both'),
          outgoing: named('outgoing', 'both', 'next'),
          learners: named('learner'),
          learnersNext: named('next'),
          servers: new Map(
            servers.map(([name, info], i) => [
              name,
              feature.level > 0 && i % 2 === 0 ? { ...info, store: i + 1 } : info,
            ]),
          ),
        };
      }),
  );

type Body = { kind: 'command'; data: Uint8Array } | { kind: 'noop' } | { kind: 'membership'; membership: Membership };

const body: fc.Arbitrary<Body> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('command' as const), data: fc.uint8Array({ maxLength: 60 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('noop' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('membership' as const), membership }) },
);

/** Returns an arbitrary for the entries that follow an entry of `prevTerm` at `prevIndex`. */
export function entriesAfter(prevIndex: number, prevTerm: number): fc.Arbitrary<Entry[]> {
  const time = fc.option(fc.maxSafeNat(), { nil: undefined });
  return fc.array(fc.tuple(fc.nat(3), body, time), { maxLength: 8 }).map((steps) => {
    let term = Math.max(1, prevTerm);
    return steps.map(([step, what, at], i): Entry => ({
      ...what,
      index: prevIndex + 1 + i,
      term: (term += step),
      time: at,
    }));
  });
}

/** An arbitrary for positions in a log. Index 0 has term 0. */
const position = fc
  .tuple(fc.oneof(fc.nat(20), fc.nat(2 ** 50)), fc.oneof(fc.nat(20), fc.nat(2 ** 50)))
  .map(([i, term]) => (i === 0 || term === 0 ? { index: 0, term: 0 } : { index: i, term }));

/** An arbitrary for valid messages of any kind. */
export const message: fc.Arbitrary<Message> = fc
  .record({
    position,
    step: fc.nat(3),
    incarnation,
    to: incarnation,
    store: fc.constantFrom({}, { store: 1, starts: Number.MAX_SAFE_INTEGER }),
    a: index,
    b: index,
    yes: fc.boolean(),
    no: fc.boolean(),
  })
  .chain(({ position: at, step, incarnation: mine, to, store, a, b, yes, no }) =>
    entriesAfter(at.index, at.term).chain((entries) => {
      const from = { term: (entries.at(-1)?.term ?? at.term) + step, incarnation: mine, ...store };
      return fc.constantFrom<Message>(
        { kind: 'preVote', ...from, lastIndex: at.index, lastTerm: at.term },
        { kind: 'preVoteReply', ...from, to, candidacy: a, granted: yes },
        { kind: 'vote', ...from, lastIndex: at.index, lastTerm: at.term },
        { kind: 'voteReply', ...from, to, granted: yes },
        { kind: 'append', ...from, stream: a, prevIndex: at.index, prevTerm: at.term, committed: b, entries },
        { kind: 'appendAccepted', ...from, to, stream: a, match: b, full: yes },
        {
          kind: 'appendRejected',
          ...from,
          to,
          stream: a,
          prevIndex: b,
          hintIndex: at.index,
          hintTerm: at.term,
          blank: yes,
          full: no,
        },
        { kind: 'heartbeat', ...from, stream: a, round: b, committed: at.index },
        { kind: 'heartbeatReply', ...from, to, stream: a, round: b, blank: yes, full: no },
        { kind: 'commit', ...from, committed: a },
        { kind: 'readIndex', ...from, ticket: a },
        { kind: 'readIndexReply', ...from, to, ticket: a, index: b },
        {
          kind: 'snapshotOffer',
          ...from,
          term: Math.max(1, from.term),
          stream: a,
          bytes: b,
          meta: { ...meta, time: yes ? a : undefined, last: { index: at.index + 7, term: Math.max(1, at.term) } },
        },
        { kind: 'snapshotChunk', ...from, stream: a, id: meta.id, offset: b, data: Uint8Array.of(1, 2, 3) },
        { kind: 'snapshotAck', ...from, to, stream: a, id: meta.id, offset: b },
        { kind: 'timeoutNow', ...from, to },
        { kind: 'propose', ...from, ticket: a, commands: yes ? [] : [Uint8Array.of(1, 2, 3), new Uint8Array(0)] },
        { kind: 'proposeReply', ...from, to, ticket: a, accepted: 0, index: 0, refused: 'overloaded' },
        { kind: 'proposeReply', ...from, to, ticket: a, accepted: 3, index: Math.max(1, b), refused: undefined },
        { kind: 'delegate', ...from, ticket: a, request: yes ? new Uint8Array(0) : Uint8Array.of(1, 2, 3) },
        { kind: 'delegateReply', ...from, to, ticket: a, reply: no ? new Uint8Array(0) : Uint8Array.of(1, 2, 3) },
        { kind: 'vote', ...from, lastIndex: at.index, lastTerm: at.term, transfer: true },
      );
    }),
  );

/** One message of every kind. The append has an entry of every kind. */
export const samples: readonly Message[] = [
  { kind: 'preVote', term: 7, incarnation: 11, lastIndex: 5, lastTerm: 3 },
  { kind: 'preVoteReply', term: 7, incarnation: 12, to: 11, candidacy: 8, granted: true },
  { kind: 'vote', term: 8, incarnation: 11, lastIndex: 5, lastTerm: 3 },
  { kind: 'voteReply', term: 8, incarnation: 12, to: 11, granted: false },
  {
    kind: 'append',
    term: 9,
    incarnation: 11,
    stream: 2,
    prevIndex: 0x1_0000_0001,
    prevTerm: 3,
    committed: 4,
    entries: [
      { kind: 'command', index: 0x1_0000_0002, term: 3, data: Uint8Array.of(0xca, 0xfe) },
      { kind: 'noop', index: 0x1_0000_0003, term: 9 },
      {
        kind: 'membership',
        index: 0x1_0000_0004,
        term: 9,
        membership: membershipOf(
          [
            ['a', { address: 'ws://a:1', metadata: '' }],
            ['b', { address: 'ws://b:1', metadata: 'é' }],
          ],
          ['b'],
          0,
        ),
      },
    ],
  },
  { kind: 'appendAccepted', term: 9, incarnation: 12, to: 11, stream: 2, match: Number.MAX_SAFE_INTEGER, full: true },
  {
    kind: 'appendRejected',
    term: 9,
    incarnation: 12,
    to: 11,
    stream: 2,
    prevIndex: 6,
    hintIndex: 5,
    hintTerm: 3,
    blank: true,
    full: false,
  },
  { kind: 'heartbeat', term: 9, incarnation: 11, stream: 2, round: 4, committed: 5 },
  { kind: 'heartbeatReply', term: 9, incarnation: 12, to: 11, stream: 2, round: 4, blank: false, full: true },
  { kind: 'commit', term: 9, incarnation: 11, committed: 5 },
  { kind: 'readIndex', term: 9, incarnation: 12, ticket: 1 },
  { kind: 'readIndexReply', term: 9, incarnation: 11, to: 12, ticket: 1, index: 5 },
  { kind: 'snapshotOffer', term: 9, incarnation: 11, stream: 2, bytes: 12_345, meta },
  {
    kind: 'snapshotChunk',
    term: 9,
    incarnation: 11,
    stream: 2,
    id: meta.id,
    offset: 0x1_0000_0000,
    data: Uint8Array.of(0xca, 0xfe),
  },
  { kind: 'snapshotAck', term: 9, incarnation: 12, to: 11, stream: 2, id: meta.id, offset: 7 },
  { kind: 'timeoutNow', term: 9, incarnation: 11, to: 12 },
  { kind: 'propose', term: 9, incarnation: 12, ticket: 3, commands: [Uint8Array.of(0xca, 0xfe), new Uint8Array(0)] },
  {
    kind: 'proposeReply',
    term: 9,
    incarnation: 11,
    to: 12,
    ticket: 3,
    accepted: 1,
    index: 0x1_0000_0002,
    refused: 'overloaded',
  },
  { kind: 'delegate', term: 9, incarnation: 12, ticket: 3, request: Uint8Array.of(0xca, 0xfe) },
  { kind: 'delegateReply', term: 9, incarnation: 11, to: 12, ticket: 3, reply: Uint8Array.of(0xca, 0xfe) },
];
