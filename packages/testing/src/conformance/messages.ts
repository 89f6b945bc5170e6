import { membershipOf, type Entry, type Message, type SnapshotMeta } from '@kontiki/core';
import { frameLength, MAX_FRAME } from '@kontiki/core/wire';
import { membershipEntry } from './log-model.js';

const from = { term: 9, incarnation: 11 };
const answer = { ...from, to: 12 };
const entries: readonly Entry[] = [
  { kind: 'command', index: 0x1_0000_0002, term: 3, data: Uint8Array.of(0, 0xca, 0xfe, 0xff) },
  { kind: 'command', index: 0x1_0000_0003, term: 3, data: new Uint8Array(0) },
  { kind: 'noop', index: 0x1_0000_0004, term: 9 },
  membershipEntry(0x1_0000_0005, 9),
];

const membership = membershipOf([['a', { address: 'test:a', metadata: '' }]]);
const meta: SnapshotMeta = {
  id: '00112233445566778899aabbccddeeff',
  cluster: 'conformance-0',
  last: { index: 7, term: 3 },
  membership: { index: 2, membership },
  genesis: 0xfeed_f00d,
  version: 4,
};

/**
 * Sample messages of every kind. If a kind has a flag, there is one sample per value of the flag.
 * If a kind has a list, there is one sample with items and one without.
 */
const samples: { readonly [kind in Message['kind']]: readonly (Message & { readonly kind: kind })[] } = {
  preVote: [{ kind: 'preVote', ...from, lastIndex: 5, lastTerm: 3 }],
  preVoteReply: [true, false].map((granted) => ({ kind: 'preVoteReply', ...answer, candidacy: 10, granted })),
  vote: [
    { kind: 'vote', ...from, lastIndex: 0, lastTerm: 0 },
    { kind: 'vote', ...from, lastIndex: 5, lastTerm: 3, transfer: true },
  ],
  voteReply: [true, false].map((granted) => ({ kind: 'voteReply', ...answer, granted })),
  timeoutNow: [{ kind: 'timeoutNow', ...answer }],
  append: [entries, []].map((held) => ({
    kind: 'append',
    ...from,
    stream: 2,
    prevIndex: 0x1_0000_0001,
    prevTerm: 3,
    committed: 4,
    entries: held,
  })),
  appendAccepted: [
    { kind: 'appendAccepted', ...answer, stream: Number.MAX_SAFE_INTEGER, match: Number.MAX_SAFE_INTEGER, full: true },
  ],
  appendRejected: [true, false].map((blank) => ({
    kind: 'appendRejected',
    ...answer,
    stream: 2,
    prevIndex: 6,
    hintIndex: 5,
    hintTerm: 3,
    blank,
    full: !blank,
  })),
  heartbeat: [{ kind: 'heartbeat', ...from, stream: 2, round: 4, committed: 5 }],
  heartbeatReply: [true, false].map((full) => ({
    kind: 'heartbeatReply',
    ...answer,
    stream: 2,
    round: 4,
    blank: !full,
    full,
  })),
  commit: [{ kind: 'commit', ...from, committed: 5 }],
  readIndex: [{ kind: 'readIndex', ...from, ticket: 1 }],
  readIndexReply: [{ kind: 'readIndexReply', ...answer, ticket: 1, index: 5 }],
  propose: [[Uint8Array.of(0, 0xff), new Uint8Array(0)], []].map((commands) => ({
    kind: 'propose',
    ...from,
    ticket: 3,
    commands,
  })),
  proposeReply: [
    { kind: 'proposeReply', ...answer, ticket: 3, accepted: 2, index: 0x1_0000_0001, refused: undefined },
    { kind: 'proposeReply', ...answer, ticket: 3, accepted: 0, index: 0, refused: 'diskFull' },
  ],
  delegate: [Uint8Array.of(0, 0xff), new Uint8Array(0)].map((request) => ({
    kind: 'delegate',
    ...from,
    ticket: 3,
    request,
  })),
  delegateReply: [Uint8Array.of(0, 0xff), new Uint8Array(0)].map((reply) => ({
    kind: 'delegateReply',
    ...answer,
    ticket: 3,
    reply,
  })),
  snapshotOffer: [{ kind: 'snapshotOffer', ...from, stream: 2, bytes: 12_345, meta }],
  snapshotChunk: [Uint8Array.of(0, 0xff, 7), new Uint8Array(0)].map((data) => ({
    kind: 'snapshotChunk',
    ...from,
    stream: 2,
    id: meta.id,
    offset: 0x1_0000_0000,
    data,
  })),
  snapshotAck: [{ kind: 'snapshotAck', ...answer, stream: 2, id: meta.id, offset: 7 }],
};

export const everyMessage: readonly Message[] = Object.values(samples).flat();

/** Returns a message that tests can recognize by its number. */
export function numbered(ticket: number): Message {
  return { kind: 'readIndex', term: 1, incarnation: 1, ticket };
}

/** Returns an append with one entry of the given index and size. */
export function append(index: number, bytes: number): Message {
  const data = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i += 97) data[i] = index + i;
  const entry: Entry = { kind: 'command', index, term: 1, data };
  const prevTerm = index === 1 ? 0 : 1;
  return { kind: 'append', ...from, stream: 1, prevIndex: index - 1, prevTerm, committed: 0, entries: [entry] };
}

/**
 * Size in bytes of an entry that is large enough for its append to fill a frame of the maximum
 * size.
 */
export const LARGEST: number = MAX_FRAME - frameLength([append(1, 0)]);

/** A message that cannot be encoded, because its number is not an integer. */
export const unencodable: Message = numbered(1.5);
