// Shows that reading a log refuses values that no store ever writes, even if their checksum is
// correct.
import { expect, it } from 'vitest';
import { membershipOf, type LogBase } from '@kontiki/core';
import {
  readBase,
  readVitals,
  vitalsFlags,
  vitalsLength,
  writeBase,
  writeVitals,
  type Vitals,
} from '@kontiki/core/store';
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

function copyOf(vitals: Vitals): Vitals {
  const writer = new Writer(vitalsLength(vitals));
  writeVitals(writer, vitals);
  expect(writer.at).toBe(writer.bytes.length);
  return readVitals(new Reader(writer.bytes), vitalsFlags(vitals));
}

it.each<[string, Vitals]>([
  ['nothing', { ballot: undefined, life: undefined }],
  ['a vote', { ballot: { term: 3, votedFor: 'b' }, life: undefined }],
  ['a life', { ballot: undefined, life: { id: 5, starts: 1 } }],
  ['a term and a life', { ballot: { term: 3, votedFor: undefined }, life: { id: 5, starts: 9 } }],
])('readVitals reads %s that writeVitals wrote', (_, vitals) => {
  expect(copyOf(vitals)).toEqual(vitals);
});

it.each<[string, Vitals]>([
  ['a vote for a server whose id is a path', { ballot: { term: 3, votedFor: '../b' } }],
  ['the store id 0', { life: { id: 0, starts: 1 } }],
  ['a store without a start', { life: { id: 5, starts: 0 } }],
])('readVitals refuses %s', (_, vitals) => {
  expect(() => copyOf(vitals)).toThrow(refused);
});
