// Shows that values that no store writes are refused when a log is read, even if their checksum is
// correct.
import { expect, it } from 'vitest';
import { membershipOf, type LogBase } from '@kontiki/core';
import { ballotFlags, readBallot, readBase, writeBallot, writeBase } from '@kontiki/core/store';
import { Reader, Writer } from '@kontiki/core/wire';

const membership = membershipOf([['a', { address: 'ws://a', metadata: '' }]]);
const base: LogBase = { index: 7, term: 2, membership: { index: 7, membership }, genesis: 5 };

function baseWith(change: Partial<LogBase>): Reader {
  const writer = new Writer(200);
  writeBase(writer, { ...base, ...change });
  return new Reader(writer.bytes.subarray(0, writer.at));
}

const refused = expect.objectContaining({ code: 'KONTIKI_PROTOCOL' });

it('readBase reads the base that writeBase wrote', () => {
  expect(readBase(baseWith({}))).toEqual(base);
});

it.each<[string, Partial<LogBase>]>([
  ['an index without a term', { term: 0 }],
  ['a term without an index', { index: 0, membership: undefined }],
  ['a membership above it', { membership: { index: 8, membership } }],
  ['a membership of entry 0', { membership: { index: 0, membership } }],
])('readBase refuses a base with %s', (_, change) => {
  expect(() => readBase(baseWith(change))).toThrow(refused);
});

it('readBallot refuses a vote for a server whose id is a path', () => {
  const ballot = { term: 3, votedFor: '../b' };
  const writer = new Writer(40);
  writeBallot(writer, ballot);
  expect(() => readBallot(new Reader(writer.bytes), ballotFlags(ballot))).toThrow(refused);
});
