import fc from 'fast-check';
import { membershipFault, membershipOf, type Entry, type Membership, type Message } from '@kontiki/core';

const number = fc.oneof(fc.nat(1_000), fc.maxSafeNat());
const positive = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const id = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
const info = fc.record({ address: fc.string({ maxLength: 60 }), metadata: fc.string({ maxLength: 60 }) });

const membership: fc.Arbitrary<Membership> = fc
  .uniqueArray(fc.tuple(id, info), { selector: ([name]) => name, minLength: 1, maxLength: 7 })
  .chain((servers) =>
    fc.nat(servers.length - 1).map((learners) =>
      membershipOf(
        servers,
        servers.slice(0, learners).map(([name]) => name),
      ),
    ),
  )
  .map((plain) => ({ ...plain, outgoing: plain.voters.slice(1) }))
  .filter((joint) => membershipFault(joint) === undefined);

/** Entries of an append of this term, after `prevIndex` and of no term below `prevTerm`. */
function entries(prevIndex: number, prevTerm: number, term: number): fc.Arbitrary<Entry[]> {
  const one = fc.tuple(fc.nat(1_000), fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(undefined), membership));
  return fc.array(one, { maxLength: 6 }).map((list) => {
    let last = Math.max(1, prevTerm);
    return list.map(([step, what], i): Entry => {
      last = Math.min(term, last + step);
      const position = { index: prevIndex + 1 + i, term: last };
      if (what === undefined) return { kind: 'noop', ...position };
      return what instanceof Uint8Array
        ? { kind: 'command', ...position, data: what }
        : { kind: 'membership', ...position, membership: what };
    });
  });
}

const append = fc
  .record({
    term: positive,
    incarnation: positive,
    session: number,
    prevIndex: fc.nat(2 ** 52),
    committed: number,
    back: number,
  })
  .chain(({ back, ...rest }) => {
    const prevTerm = Math.max(0, rest.term - back);
    return entries(rest.prevIndex, prevTerm, rest.term).map((list): Message => ({
      kind: 'append',
      ...rest,
      prevTerm,
      entries: list,
    }));
  });

const from = { term: number, incarnation: positive };
const answer = { ...from, to: number };
/** A term that is held is no higher than the message's. */
const held =
  <T extends { term: number }>(field: keyof T) =>
  (message: T): T => ({ ...message, [field]: Math.min(message.term, message[field] as number) });

export const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  append,
  fc
    .record({
      kind: fc.constantFrom('preVote' as const, 'vote' as const),
      ...from,
      lastIndex: number,
      lastTerm: number,
    })
    .map(held('lastTerm')),
  fc.record({ kind: fc.constant('preVoteReply' as const), ...answer, candidacy: number, granted: fc.boolean() }),
  fc.record({ kind: fc.constant('voteReply' as const), ...answer, granted: fc.boolean() }),
  fc.record({
    kind: fc.constant('appendAccepted' as const),
    ...answer,
    session: number,
    match: number,
    full: fc.boolean(),
  }),
  fc
    .record({
      kind: fc.constant('appendRejected' as const),
      ...answer,
      session: number,
      prevIndex: number,
      hintIndex: number,
      hintTerm: number,
      blank: fc.boolean(),
      full: fc.boolean(),
    })
    .map(held('hintTerm')),
  fc.record({ kind: fc.constant('heartbeat' as const), ...from, session: number, round: number, committed: number }),
  fc.record({
    kind: fc.constant('heartbeatReply' as const),
    ...answer,
    session: number,
    round: number,
    blank: fc.boolean(),
    full: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('commit' as const), ...from, committed: number }),
  fc.record({ kind: fc.constant('readIndex' as const), ...from, ticket: number }),
  fc.record({ kind: fc.constant('readIndexReply' as const), ...answer, ticket: number, index: number }),
);

/** One of each kind, for the bytes that are kept. */
export const samples: Message[] = [
  { kind: 'preVote', term: 5, incarnation: 7, lastIndex: 3, lastTerm: 2 },
  { kind: 'preVoteReply', term: 4, incarnation: 8, to: 7, candidacy: 6, granted: true },
  { kind: 'vote', term: 6, incarnation: 7, lastIndex: 3, lastTerm: 2 },
  { kind: 'voteReply', term: 6, incarnation: 8, to: 7, granted: false },
  {
    kind: 'append',
    term: 6,
    incarnation: 7,
    session: 1,
    prevIndex: 3,
    prevTerm: 2,
    committed: 3,
    entries: [
      { kind: 'noop', index: 4, term: 6 },
      { kind: 'command', index: 5, term: 6, data: new Uint8Array([1, 2, 3]) },
      {
        kind: 'membership',
        index: 6,
        term: 6,
        membership: membershipOf(
          [
            ['a', { address: 'ws://a', metadata: 'm' }],
            ['b', { address: 'ws://b', metadata: '' }],
          ],
          ['b'],
        ),
      },
    ],
  },
  { kind: 'appendAccepted', term: 6, incarnation: 8, to: 7, session: 1, match: 6, full: false },
  {
    kind: 'appendRejected',
    term: 6,
    incarnation: 8,
    to: 7,
    session: 1,
    prevIndex: 3,
    hintIndex: 2,
    hintTerm: 1,
    blank: false,
    full: true,
  },
  { kind: 'heartbeat', term: 6, incarnation: 7, session: 1, round: 9, committed: 6 },
  { kind: 'heartbeatReply', term: 6, incarnation: 8, to: 7, session: 1, round: 9, blank: true, full: false },
  { kind: 'commit', term: 6, incarnation: 7, committed: 6 },
  { kind: 'readIndex', term: 6, incarnation: 8, ticket: Number.MAX_SAFE_INTEGER },
  { kind: 'readIndexReply', term: 6, incarnation: 7, to: 8, ticket: 2, index: 6 },
];
