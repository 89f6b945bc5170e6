// Shows that decoders reject invalid bytes with a protocol error, and that they allocate no memory
// for impossible lengths. Truncates and modifies valid frames.
import { Random } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';
import { isKontikiError, type Message } from '@kontiki/core';
import {
  crc32,
  decodeFrame,
  encodeFrame,
  frameLength,
  FRAMING,
  MAX_FRAME,
  Reader,
  readEntries,
  Writer,
} from '@kontiki/core/wire';
import { samples } from './arbitraries.js';

/**
 * Decodes a frame. Throws any error other than a protocol error, because such an error is a bug in
 * the decoder.
 */
function outcome(bytes: Uint8Array): 'read' | 'rejected' {
  try {
    decodeFrame(bytes);
    return 'read';
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_PROTOCOL')) return 'rejected';
    throw error;
  }
}

/** Corrects the checksum of a modified frame, so that the decoder reads the modified fields. */
function fixChecksum(frame: Uint8Array): Uint8Array {
  new DataView(frame.buffer, frame.byteOffset).setUint32(0, crc32(frame.subarray(4)), true);
  return frame;
}

/** A valid frame with one message of every kind. */
const whole = encodeFrame(samples);

it('decodeFrame rejects a frame truncated at any byte', () => {
  for (let length = 0; length < whole.length; length += 1) {
    expect(outcome(whole.subarray(0, length))).toBe('rejected');
    if (length >= 4) expect(outcome(fixChecksum(whole.slice(0, length)))).toBe('rejected');
  }
});

it('decodeFrame rejects a frame with any bit flipped', () => {
  for (let bit = 0; bit < whole.length * 8; bit += 1) {
    const frame = whole.slice();
    frame[bit >> 3] = (frame[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(outcome(frame)).toBe('rejected');
  }
});

it('decodeFrame rejects bytes after the last message', () => {
  const frame = new Uint8Array(whole.length + 1);
  frame.set(whole);
  expect(outcome(fixChecksum(frame))).toBe('rejected');
});

it('decodeFrame decodes or rejects 150,000 modified frames with valid checksums', () => {
  const random = new Random(20_26).next;
  const below = (n: number): number => Math.floor(random() * n);
  const interesting = [0, 1, 2, 12, 13, 15, 16, 31, 32, 33, 127, 128, 254, 255];
  const frames = [...samples.map((one) => encodeFrame([one])), whole];
  let read = 0;
  for (let i = 0; i < 150_000; i += 1) {
    let frame = (frames[below(frames.length)] as Uint8Array).slice();
    for (let n = 1 + below(3); n > 0; n -= 1) {
      const at = 4 + below(frame.length - 4);
      const how = below(5);
      if (how === 0) frame[at] = below(256);
      else if (how === 1) frame[at] = interesting[below(interesting.length)] as number;
      else if (how === 2) frame.fill(255, at, at + 4);
      else if (how === 3) frame.copyWithin(at, 4 + below(frame.length - 4));
      else frame = frame.slice(0, Math.max(5, at));
    }
    if (outcome(fixChecksum(frame)) === 'read') read += 1;
  }
  // Many of the modified frames are valid, which shows that the modifications reached the fields.
  expect(read).toBeGreaterThan(10_000);
});

it('decodeFrame rejects the largest term, because no server could campaign after it', () => {
  const ask = (term: number): Uint8Array =>
    encodeFrame([{ kind: 'preVote', term, incarnation: 1, lastIndex: 1, lastTerm: 1 }]);
  expect(outcome(ask(Number.MAX_SAFE_INTEGER - 1))).toBe('read');
  expect(outcome(ask(Number.MAX_SAFE_INTEGER))).toBe('rejected');
});

it('decodeFrame rejects 20,000 frames of random bytes', () => {
  const random = new Random(7).next;
  for (let i = 0; i < 20_000; i += 1) {
    const noise = Uint8Array.from({ length: Math.floor(random() * 120) }, () => Math.floor(random() * 256));
    expect(outcome(noise)).toBe('rejected');
  }
});

describe('impossible lengths', () => {
  /** Returns a frame with the maximum count or length at an offset. */
  function withHugeCount(bytes: Uint8Array, at: number): Uint8Array {
    const frame = bytes.slice();
    new DataView(frame.buffer).setUint32(at, 0xffff_ffff, true);
    return fixChecksum(frame);
  }

  it('decodeFrame rejects an impossible message count', () => {
    expect(() => decodeFrame(withHugeCount(whole, 14))).toThrow(/items cannot fit/);
  });

  it('decodeFrame rejects an impossible entry count or payload length', () => {
    const append = samples.find((one) => one.kind === 'append') as Message;
    const count = frameLength([]) + 4 + 33 + 32;
    expect(() => decodeFrame(withHugeCount(encodeFrame([append]), count))).toThrow(/items cannot fit/);
    expect(() => decodeFrame(withHugeCount(encodeFrame([append]), count + 4 + 9))).toThrow(/missing/);
  });

  it('decodeFrame rejects a frame that exceeds the maximum length', () => {
    expect(() => decodeFrame(new Uint8Array(MAX_FRAME + 1))).toThrow(/exceeds/);
    expect(() => decodeFrame(whole, whole.length - 1)).toThrow(/exceeds/);
    expect(decodeFrame(whole, whole.length).messages).toHaveLength(samples.length);
  });
});

describe('impossible messages', () => {
  const from = { term: 5, incarnation: 1 };
  const prev = { stream: 0, committed: 0 };
  it.each<[string, Message]>([
    ['a sender without an incarnation', { kind: 'commit', term: 5, incarnation: 0, committed: 1 }],
    ['a reply without the incarnation it answers', { kind: 'voteReply', ...from, to: 0, granted: true }],
    ['a candidate ahead of its own term', { kind: 'vote', ...from, lastIndex: 1, lastTerm: 6 }],
    ['a last index of 0 with a term', { kind: 'preVote', ...from, lastIndex: 0, lastTerm: 4 }],
    ['a last index with term 0', { kind: 'preVote', ...from, lastIndex: 4, lastTerm: 0 }],
    ['a previous term above the term', { kind: 'append', ...from, ...prev, prevIndex: 4, prevTerm: 6, entries: [] }],
    [
      'an entry of a term above the term',
      { kind: 'append', ...from, ...prev, prevIndex: 4, prevTerm: 4, entries: [{ kind: 'noop', index: 5, term: 6 }] },
    ],
    [
      'entries with decreasing terms',
      {
        kind: 'append',
        ...from,
        ...prev,
        prevIndex: 4,
        prevTerm: 4,
        entries: [
          { kind: 'noop', index: 5, term: 5 },
          { kind: 'noop', index: 6, term: 4 },
        ],
      },
    ],
    [
      'an entry of a term below the previous term',
      { kind: 'append', ...from, ...prev, prevIndex: 4, prevTerm: 4, entries: [{ kind: 'noop', index: 5, term: 3 }] },
    ],
    [
      'entries beyond the largest index',
      {
        kind: 'append',
        ...from,
        ...prev,
        prevIndex: Number.MAX_SAFE_INTEGER - 1,
        prevTerm: 4,
        entries: [
          { kind: 'noop', index: 0, term: 5 },
          { kind: 'noop', index: 0, term: 5 },
        ],
      },
    ],
    [
      'a hint above the term',
      {
        kind: 'appendRejected',
        ...from,
        to: 1,
        stream: 1,
        prevIndex: 9,
        hintIndex: 3,
        hintTerm: 6,
        blank: false,
        full: false,
      },
    ],
  ])('decodeFrame rejects %s', (_, message) => {
    expect(() => decodeFrame(encodeFrame([message]))).toThrow(expect.objectContaining({ code: 'KONTIKI_PROTOCOL' }));
  });

  function changed(at: number, value: number): Uint8Array {
    const frame = encodeFrame([{ kind: 'voteReply', ...from, to: 1, granted: true }], { version: 1 });
    frame[at] = value;
    return fixChecksum(frame);
  }

  it.each([
    ['an older version', 4, 0, /version 0/],
    ['a newer version', 4, FRAMING.max + 1, /version 4/],
    ['unknown flags', 5, 1, /flags/],
    ['an unknown epoch', 10, 1, /epoch/],
    ['an unknown kind', 18, 77, /unknown kind 77/],
    ['a number above 2^53', 18 + 1 + 7, 0xff, /2\^53/],
    ['a boolean that is neither 0 nor 1', 18 + 25, 2, /flag/],
  ])('decodeFrame throws an error that describes %s', (_, at, value, words) => {
    expect(() => decodeFrame(changed(at, value))).toThrow(words);
  });
});

describe('messages of unknown kinds', () => {
  const known = samples.find((one) => one.kind === 'commit') as Message;

  /**
   * Returns a frame with a known message, a message of kind `kind`, and the known message again.
   */
  function around(kind: number): Uint8Array {
    const frame = encodeFrame([known, known, known]);
    const length = (frame.length - frameLength([])) / 3;
    frame[frameLength([]) + length + 4] = kind;
    return fixChecksum(frame);
  }

  it.each([0, 99, 255])('decodeFrame skips a message of kind %i and reads the others', (kind) => {
    expect(decodeFrame(around(kind))).toEqual({ group: 0, messages: [known, known], skipped: [kind] });
  });

  it('decodeFrame rejects an empty message and one with bytes after its last field', () => {
    const frame = encodeFrame([known]);
    const longer = new Uint8Array(frame.length + 1);
    longer.set(frame);
    const view = new DataView(longer.buffer);
    view.setUint32(frameLength([]), frame.length - frameLength([]) - 4 + 1, true);
    expect(outcome(fixChecksum(longer))).toBe('rejected');
    const empty = encodeFrame([]);
    const withEmpty = new Uint8Array(empty.length + 5);
    withEmpty.set(empty);
    new DataView(withEmpty.buffer).setUint32(empty.length - 4, 1, true);
    expect(outcome(fixChecksum(withEmpty))).toBe('rejected');
  });
});

describe('invalid entries', () => {
  /** Returns a reader of one encoded entry. */
  function entry(kind: number, payload: readonly number[]): Reader {
    const writer = new Writer(4 + 13 + payload.length);
    writer.u32(1);
    writer.u8(kind);
    writer.u53(1);
    writer.u32(payload.length);
    writer.raw(Uint8Array.from(payload));
    return new Reader(writer.bytes);
  }

  const server = (id: string, part: number): number[] => [id.length, 0, ...Buffer.from(id), 0, 0, 0, 0, part];

  it.each([
    ['an unknown kind', 9, [], /unknown kind 9/],
    ['a noop with a payload', 1, [1], /must be empty/],
    ['a membership without servers', 2, [0, 0, 0, 0], /no voter/],
    ['a membership with bytes after it', 2, [1, 0, 0, 0, ...server('a', 1), 0], /follow the end/],
    ['a server without a part', 2, [2, 0, 0, 0, ...server('a', 1), ...server('b', 0)], /neither voter nor learner/],
    ['a server with an unknown part', 2, [1, 0, 0, 0, ...server('a', 17)], /unknown part/],
    ['a server named twice', 2, [2, 0, 0, 0, ...server('a', 1), ...server('a', 1)], /twice/],
    ['an invalid server id', 2, [1, 0, 0, 0, ...server('a/b', 1)], /not a server id/],
    ['a server id that is too long', 2, [1, 0, 0, 0, ...server('a'.repeat(65), 1)], /65 bytes/],
    ['a server id that is not UTF-8', 2, [1, 0, 0, 0, 1, 0, 0xff, 0, 0, 0, 0, 1], /UTF-8/],
    [
      'too many servers',
      2,
      [33, 0, 0, 0, ...Array.from({ length: 33 }, (_, i) => server(`s${i}`, 1)).flat()],
      /33 servers/,
    ],
  ])('the error of readEntries names %s', (_, kind, payload, words) => {
    expect(() => readEntries(entry(kind, payload), 1, 0)).toThrow(words);
  });
});
