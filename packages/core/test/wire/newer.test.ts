// Shows that frames and entries of a newer version are not mistaken for damage. A later version may
// add kinds of entries and higher feature levels, with correct checksums.
import { isKontikiError, membershipOf, type Message, type SnapshotMeta } from '@kontiki/core';
import { LEVEL } from '@kontiki/core/protocol';
import {
  decodeFrame,
  encodeFrame,
  encodeSnapshotHead,
  Reader,
  readEntries,
  readSnapshotHead,
  Writer,
} from '@kontiki/core/wire';
import { expect, it } from 'vitest';

const from = { term: 5, incarnation: 11 };
const newer = { ...membershipOf([['a', { address: 'memory:a', metadata: '' }]]), level: LEVEL + 1 };
const commit: Message = { kind: 'commit', ...from, committed: 1 };
const append: Message = {
  kind: 'append',
  ...from,
  stream: 1,
  prevIndex: 3,
  prevTerm: 4,
  committed: 3,
  entries: [
    { kind: 'noop', index: 4, term: 5 },
    { kind: 'membership', index: 5, term: 5, membership: newer },
    { kind: 'noop', index: 6, term: 5 },
  ],
};
const meta: SnapshotMeta = {
  id: '00112233445566778899aabbccddeeff',
  cluster: 'test',
  last: { index: 9, term: 5 },
  membership: { index: 2, membership: newer },
  genesis: 1,
  version: 0,
};

it('an append with a newer level is unreadable, but the messages around it are read', () => {
  const reason = `A membership has feature level ${LEVEL + 1}. Only a newer version can read it.`;
  for (const version of [2, 3]) {
    const frame = encodeFrame([commit, append, commit], { version });
    const unreadable = { kind: 'unreadable', ...from, index: 5, reason };
    expect(decodeFrame(frame).messages).toEqual([commit, unreadable, commit]);
  }
});

it('an offer of a snapshot with a newer level is decoded as unreadable', () => {
  const frame = encodeFrame([{ kind: 'snapshotOffer', ...from, stream: 1, bytes: 9, meta }, commit]);
  expect(decodeFrame(frame).messages).toEqual([
    { kind: 'unreadable', ...from, reason: expect.stringContaining(`feature level ${LEVEL + 1}`) },
    commit,
  ]);
});

it('a frame of version 1 with a newer level is refused', () => {
  expect(() => decodeFrame(encodeFrame([append], { version: 1 }))).toThrow(`feature level ${LEVEL + 1}`);
});

it('readEntries throws KONTIKI_FORMAT for an unknown kind, after the entries before it', () => {
  const writer = new Writer(4 + 2 * 13);
  writer.u32(2);
  for (const kind of [1, 9]) {
    writer.u8(kind);
    writer.u53(5);
    writer.u32(0);
  }
  const entries: unknown[] = [];
  let thrown: unknown;
  try {
    readEntries(new Reader(writer.bytes), 4, 4, entries as never);
  } catch (error) {
    thrown = error;
  }
  expect(isKontikiError(thrown, 'KONTIKI_FORMAT')).toBe(true);
  expect(entries).toEqual([{ kind: 'noop', index: 4, term: 5 }]);
});

it('readSnapshotHead throws KONTIKI_FORMAT for a newer level', () => {
  expect(() => readSnapshotHead(encodeSnapshotHead(meta))).toThrow(expect.objectContaining({ code: 'KONTIKI_FORMAT' }));
});

it('a heartbeat reply of version 3 contains the level and behavior of its sender', () => {
  const reply: Message = { kind: 'heartbeatReply', ...from, to: 1, stream: 1, round: 2, blank: false, full: false };
  const leveled = { ...reply, level: 7, behavior: 2 ** 32 - 1 };
  expect(decodeFrame(encodeFrame([leveled])).messages).toEqual([leveled]);
  for (const version of [1, 2]) {
    expect(encodeFrame([leveled], { version })).toEqual(encodeFrame([reply], { version }));
    expect(decodeFrame(encodeFrame([leveled], { version })).messages).toEqual([reply]);
  }
});
