import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { MembershipEntry } from '@kontiki/core';
import {
  decodeFrame,
  encodeFrame,
  entriesLength,
  frameLength,
  membershipLength,
  messageLength,
  genesisOf,
  readEntries,
  Reader,
  readMembership,
  Writer,
  writeEntries,
  writeMembership,
} from '@kontiki/core/wire';
import { entriesAfter, membership, message, samples } from './arbitraries.js';

it('a frame has the length given by frameLength and decodes to the same messages', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.nat(0xffff_ffff), (messages, group) => {
      const frame = encodeFrame(messages, { group });
      expect(frame.length).toBe(frameLength(messages));
      expect(decodeFrame(frame)).toEqual({ group, messages, skipped: [] });
    }),
    { numRuns: 2000, seed: 1 },
  );
});

it('encodeFrame reuses sufficiently large memory and overwrites all old bytes', () => {
  const memory = new Uint8Array(frameLength(samples));
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
      memory.fill(0xee);
      const frame = encodeFrame(messages, { memory });
      expect(frame).toEqual(encodeFrame(messages));
      expect(frame.buffer === memory.buffer).toBe(frame.length <= memory.length);
    }),
    { seed: 1 },
  );
});

it('decodeFrame reads a frame in the middle of a buffer', () => {
  const frame = encodeFrame(samples);
  const buffer = new Uint8Array(frame.length + 11);
  buffer.set(frame, 5);
  expect(decodeFrame(buffer.subarray(5, 5 + frame.length)).messages).toEqual(samples);
});

it('decodeFrame returns views of the frame, not copies', () => {
  const frame = encodeFrame(samples);
  const append = decodeFrame(frame).messages.find((m) => m.kind === 'append');
  const first = append?.entries[0];
  expect(first?.kind === 'command' && first.data.buffer === frame.buffer).toBe(true);
});

it('decodeFrame returns plain Uint8Arrays for a Buffer', () => {
  const append = decodeFrame(Buffer.from(encodeFrame(samples))).messages.find((m) => m.kind === 'append');
  const first = append?.entries[0];
  expect(first?.kind === 'command' && first.data.constructor).toBe(Uint8Array);
});

it('entries have the length given by entriesLength and decode unchanged', () => {
  fc.assert(
    fc.property(entriesAfter(7, 2), (entries) => {
      const writer = new Writer(entriesLength(entries));
      writeEntries(writer, entries);
      expect(writer.at).toBe(writer.bytes.length);
      const reader = new Reader(writer.bytes);
      expect(readEntries(reader, 8, 2)).toEqual(entries);
      reader.end();
    }),
    { seed: 1 },
  );
});

it('a membership decodes unchanged and always encodes to the same bytes', () => {
  fc.assert(
    fc.property(membership, (value) => {
      const bytes = [0, 1].map(() => {
        const writer = new Writer(membershipLength(value));
        writeMembership(writer, value);
        return writer.bytes;
      });
      expect(bytes[0]).toEqual(bytes[1]);
      expect(readMembership(new Reader(bytes[0] as Uint8Array))).toEqual(value);
    }),
    { seed: 1 },
  );
});

it('messageLength returns the length of each kind of message', () => {
  for (const one of samples) {
    const isForwarded = ['propose', 'proposeReply', 'delegate', 'delegateReply'].includes(one.kind);
    const known = isForwarded || one.kind === 'timeoutNow' ? 0 : messageLength(one, 1);
    expect(frameLength([one], 1)).toBe(frameLength([]) + known);
    expect(frameLength([one], 2)).toBe(frameLength([]) + (isForwarded ? 0 : 4 + messageLength(one, 2)));
    expect(frameLength([one], 3)).toBe(frameLength([]) + 4 + messageLength(one, 3));
    const levels = one.kind === 'heartbeatReply' ? 5 : 0;
    expect(frameLength([one])).toBe(frameLength([], 2) + 16 + levels + 4 + messageLength(one, 2));
  }
});

it('genesisOf returns equal checksums only for equal first entries', () => {
  const entry = (address: string): MembershipEntry => ({
    kind: 'membership',
    index: 1,
    term: 1,
    membership: {
      level: 0,
      revision: 0,
      founded: true,
      epoch: '',
      leaseMs: 0,
      voters: ['a'],
      outgoing: [],
      learners: [],
      learnersNext: [],
      servers: new Map([['a', { address, metadata: '' }]]),
    },
  });
  expect(genesisOf(entry('x'))).toBe(genesisOf(entry('x')));
  expect(genesisOf(entry('x'))).not.toBe(genesisOf(entry('y')));
  expect(genesisOf(entry('x'))).toBeGreaterThan(0);
});

it('encodeFrame rejects numbers that are not safe non-negative integers', () => {
  for (const committed of [-1, 1.5, Number.NaN, 2 ** 53]) {
    expect(() => encodeFrame([{ kind: 'commit', term: 1, incarnation: 1, committed }])).toThrow(/safe integer/);
  }
});

it('Writer rejects a string of 65,536 bytes', () => {
  expect(() => new Writer(70_000).text('x'.repeat(65_536))).toThrow(/65536 bytes/);
});
