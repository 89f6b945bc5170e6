import { membershipOf, type Entry, type Message } from '@kontiki/core';
import { expect, it } from 'vitest';
import { decodeFrame, encodeFrame } from '@kontiki/core/wire';
import { samples } from './arbitraries.js';
import { golden } from './golden.js';

/** Returns a message including the fields that version 3 added. */
function newest(sample: Message): Message {
  const message = { ...sample, store: 0x1_0000_0005, starts: 4 };
  return message.kind === 'heartbeatReply' ? { ...message, level: 1, behavior: 0x0a0b0c0d } : message;
}

/** Returns a message that appends entries after the entry at index 1. */
function append(entries: readonly Entry[]): Message {
  const from = { term: 9, incarnation: 11, stream: 2 };
  return { kind: 'append', ...from, prevIndex: 1, prevTerm: 3, committed: 1, entries };
}

// Every release must read the bytes of all earlier releases, so the golden bytes never change.
const versions = Object.entries(golden).flatMap(([version, frames]) =>
  samples.map((sample) => {
    const message = version === '3' ? newest(sample) : sample;
    return [message.kind, Number(version), message, frames[message.kind]] as const;
  }),
);

it.each(versions)('the encoding of %s in version %i does not change', (_kind, version, message, frame) => {
  if (frame === undefined) return expect(encodeFrame([message], { version })).toEqual(encodeFrame([], { version }));
  expect(Buffer.from(encodeFrame([message], { group: 3, version })).toString('hex')).toBe(frame);
  expect(decodeFrame(Buffer.from(frame, 'hex'))).toEqual({ group: 3, messages: [message], skipped: [] });
});

it.each<[string, Message, string]>([
  [
    'a vote request after a transfer',
    { kind: 'vote', term: 8, incarnation: 11, lastIndex: 5, lastTerm: 3, transfer: true },
    '3315f0f30200030000000000000001000000210000001108000000000000000b0000000000000005000000000000000300000000000000',
  ],
  [
    'entries with log times',
    append([
      { kind: 'noop', index: 2, term: 9, time: 0 },
      { kind: 'command', index: 3, term: 9, time: 0x1_0000_0007, data: Uint8Array.of(0xca, 0xfe) },
    ]),
    '5e8d62e60200030000000000000001000000610000000509000000000000000b00000000000000020000000000000001000000000000000300000000000000010000000000000002000000810900000000000000000000000000000000000000800900000000000000070000000100000002000000cafe',
  ],
  [
    'a membership of level 1',
    append([
      {
        kind: 'membership',
        index: 2,
        term: 9,
        membership: {
          ...membershipOf(
            [
              ['a', { address: 'ws://a:1', metadata: '', store: 7 }],
              ['b', { address: 'ws://b:1', metadata: 'é' }],
            ],
            ['b'],
            1,
          ),
          revision: 5,
          founded: false,
          epoch: '000102030405060708090a0b0c0d0eff',
        },
      },
    ]),
    '005203f50200030000000000000001000000920000000509000000000000000b00000000000000020000000000000001000000000000000300000000000000010000000000000001000000020900000000000000500000000200008001050000000000000003000102030405060708090a0b0c0d0eff010061080077733a2f2f613a310000010700000000000000010062080077733a2f2f623a310200c3a9040000000000000000',
  ],
  [
    'a membership with a lease',
    append([
      {
        kind: 'membership',
        index: 2,
        term: 9,
        membership: {
          ...membershipOf([['a', { address: 'ws://a:1', metadata: '', store: 7 }]], [], 2),
          leaseMs: 600,
        },
      },
    ]),
    'b0a3733102000300000000000000010000006c0000000509000000000000000b000000000000000200000000000000010000000000000003000000000000000100000000000000010000000209000000000000002a000000010000800200000000000000000458020000010061080077733a2f2f613a310000010700000000000000',
  ],
])('the encoding of %s does not change', (_name, message, frame) => {
  expect(Buffer.from(encodeFrame([message], { group: 3, version: 2 })).toString('hex')).toBe(frame);
  expect(decodeFrame(Buffer.from(frame, 'hex'))).toEqual({ group: 3, messages: [message], skipped: [] });
});

it('every kind of message has a golden frame in the newest version', () => {
  expect(Object.keys(golden[3]).sort()).toEqual([...new Set(samples.map(({ kind }) => kind))].sort());
});
