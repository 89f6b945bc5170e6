import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isKontikiError, type Entry, type Message } from '@kontiki/core';
import {
  crc32,
  decodeFrame,
  encodeFrame,
  frameLength,
  MAX_FRAME,
  Reader,
  readMembership,
  Writer,
  writeMembership,
} from '@kontiki/core/wire';
import { seeded } from '../protocol/cluster.js';
import { anyMessage, samples } from './messages.js';

/** Makes the checksum right again, so that what was changed is reached. */
function resealed(frame: Uint8Array): Uint8Array {
  new DataView(frame.buffer, frame.byteOffset).setUint32(0, crc32(frame.subarray(4)), true);
  return frame;
}

/** Decodes; only a protocol error may come out. */
function decoded(frame: Uint8Array): readonly Message[] | 'refused' {
  try {
    return decodeFrame(frame).messages;
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_PROTOCOL')) return 'refused';
    throw error;
  }
}

describe('frames', () => {
  it('carry every message there and back', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 5 }), fc.nat(0xffff_ffff), (messages, group) => {
        const frame = encodeFrame(messages, group);
        expect(frame.length).toBe(frameLength(messages));
        expect(decodeFrame(frame)).toEqual({ group, messages });
      }),
      { numRuns: 2_000, seed: 1 },
    );
  });

  it('give payloads as views, not copies', () => {
    const frame = encodeFrame(samples);
    const append = decodeFrame(frame).messages.find(({ kind }) => kind === 'append') as { entries: Entry[] };
    const command = append.entries.find((entry) => entry.kind === 'command');
    expect(command?.data.buffer).toBe(frame.buffer);
  });

  it('are what they were: golden bytes (they may change until the first release)', () => {
    const hex = (messages: Message[]): string => Buffer.from(encodeFrame(messages)).toString('hex');
    expect(Object.fromEntries(samples.map((sample) => [sample.kind, hex([sample])]))).toMatchInlineSnapshot(`
      {
        "append": "28a0d9aa0100000000000000000001000000050600000000000000070000000000000001000000000000000300000000000000020000000000000003000000000000000300000001060000000000000000000000000600000000000000030000000102030206000000000000002100000002000000010061060077733a2f2f6101006d01010062060077733a2f2f62000004",
        "appendAccepted": "569d088a0100000000000000000001000000060600000000000000080000000000000007000000000000000100000000000000060000000000000000",
        "appendRejected": "62d7453001000000000000000000010000000706000000000000000800000000000000070000000000000001000000000000000300000000000000020000000000000001000000000000000001",
        "commit": "e530ba9a01000000000000000000010000000a060000000000000007000000000000000600000000000000",
        "heartbeat": "ead40bca01000000000000000000010000000806000000000000000700000000000000010000000000000009000000000000000600000000000000",
        "heartbeatReply": "a60296e3010000000000000000000100000009060000000000000008000000000000000700000000000000010000000000000009000000000000000100",
        "preVote": "84bc07e00100000000000000000001000000010500000000000000070000000000000003000000000000000200000000000000",
        "preVoteReply": "ebe5fbd8010000000000000000000100000002040000000000000008000000000000000700000000000000060000000000000001",
        "readIndex": "42d2ae4001000000000000000000010000000b06000000000000000800000000000000ffffffffffff1f00",
        "readIndexReply": "c8e844d501000000000000000000010000000c06000000000000000700000000000000080000000000000002000000000000000600000000000000",
        "vote": "dd95fd440100000000000000000001000000030600000000000000070000000000000003000000000000000200000000000000",
        "voteReply": "d194f6b901000000000000000000010000000406000000000000000800000000000000070000000000000000",
      }
    `);
    for (const sample of samples) expect(decodeFrame(Buffer.from(hex([sample]), 'hex')).messages).toEqual([sample]);
  });

  it('truncated at every byte, or with a bit flipped at every byte, are refused', () => {
    const frame = encodeFrame(samples);
    for (let at = 0; at < frame.length; at += 1) {
      expect(decoded(frame.slice(0, at))).toBe('refused');
      expect(decoded(frame.map((byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte)))).toBe('refused');
      if (at >= 5) expect(decoded(resealed(frame.slice(0, at)))).toBe('refused');
    }
  });

  it('mutated behind a right checksum: a protocol error or a message, nothing else', () => {
    const random = seeded(7);
    const frames = samples.map((sample) => encodeFrame([sample]));
    frames.push(encodeFrame(samples));
    let refused = 0;
    for (let i = 0; i < 200_000; i += 1) {
      const frame = (frames[i % frames.length] as Uint8Array).slice();
      for (let n = 1 + Math.floor(random() * 3); n > 0; n -= 1) {
        const at = 4 + Math.floor(random() * (frame.length - 4));
        // Bytes that stand for large numbers and for edges, more often than chance would.
        frame[at] = [0xff, 0, 1, 0x7f, 0x80, Math.floor(random() * 256)][Math.floor(random() * 6)] as number;
      }
      if (decoded(resealed(frame)) === 'refused') refused += 1;
    }
    expect(refused).toBeGreaterThan(20_000);
    expect(refused).toBeLessThan(190_000);
  });

  it('that announce more than they hold are refused before anything is made for it', () => {
    const announce = (at: number, value: number, sample: Message): Uint8Array => {
      const frame = encodeFrame([sample]);
      new DataView(frame.buffer).setUint32(at, value, true);
      return resealed(frame);
    };
    const append = samples[4] as Message;
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 1_000; i += 1) {
      expect(decoded(announce(14, 0xffff_ffff, append))).toBe('refused'); // Messages.
      expect(decoded(announce(18 + 17 + 32, 0xffff_ffff, append))).toBe('refused'); // Entries.
      expect(decoded(announce(18 + 17 + 32 + 4 + 9, 0x7fff_ffff, append))).toBe('refused'); // Bytes of one.
    }
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 1024 * 1024);
    expect(decoded(new Uint8Array(MAX_FRAME + 1))).toBe('refused');
  });

  it.each([
    ['of another version', 4, 2],
    ['with unknown flags', 5, 1],
    ['of an epoch to come', 10, 1],
    ['with a message of an unknown kind', 18, 99],
    ['with a number above 2^53', 18 + 1 + 6, 0x20],
    ['with a flag that is neither 0 nor 1', 18 + 17 + 8, 2],
  ])('%s are refused', (_what, at, value) => {
    const frame = encodeFrame([samples[3] as Message]);
    frame[at] = value;
    expect(decoded(resealed(frame))).toBe('refused');
  });

  it('whose terms contradict each other are refused', () => {
    const append = samples[4] as Message & { kind: 'append' };
    expect(decoded(encodeFrame([{ ...append, term: 5 }]))).toBe('refused');
    expect(decoded(encodeFrame([{ ...append, prevTerm: 7 }]))).toBe('refused');
    expect(
      decoded(
        encodeFrame([{ ...append, entries: [...append.entries].reverse().map((e, i) => ({ ...e, term: 6 - i })) }]),
      ),
    ).toBe('refused');
    expect(decoded(encodeFrame([{ ...append, incarnation: 0 }]))).toBe('refused');
    expect(decoded(encodeFrame([{ ...append, prevIndex: Number.MAX_SAFE_INTEGER }]))).toBe('refused');
    expect(() => encodeFrame([{ ...append, committed: -1 }])).toThrow(/safe integer/);
    expect(() => encodeFrame([{ ...append, committed: 1.5 }])).toThrow(/safe integer/);
  });

  it('hold memberships of at most 32 servers, each named once and with a part', () => {
    const write = (...servers: [string, number][]): Reader => {
      const writer = new Writer(8_000);
      writer.u32(servers.length);
      for (const [id, part] of servers) {
        writer.text(id);
        writer.text('ws://x');
        writer.text('');
        writer.u8(part);
      }
      return new Reader(writer.bytes);
    };
    const read =
      (...servers: [string, number][]) =>
      (): unknown =>
        readMembership(write(...servers));
    expect(read(['a', 1], ['b', 4])()).toMatchObject({ voters: ['a'], learners: ['b'] });
    for (const servers of [
      [
        ['a', 1],
        ['a', 1],
      ],
      [['a b', 1]],
      [
        ['a', 1],
        ['b', 0],
      ],
      [
        ['a', 1],
        ['b', 5],
      ],
      [['a', 16]],
      [['a', 4]],
      Array.from({ length: 33 }, (_, i) => [`s${i}`, 1]),
    ] as [string, number][][]) {
      expect(read(...servers)).toThrow(expect.objectContaining({ code: 'KONTIKI_PROTOCOL' }) as Error);
    }
    const joint = { ...((samples[4] as { entries: { membership: never }[] }).entries[2]?.membership as object) };
    expect(() => writeMembership(new Writer(4), joint as never)).toThrow();
  });
});

describe('the checksum', () => {
  it('is CRC-32, as zlib has it, in one piece or several', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
        expect(crc32(bytes)).toBe(zlibCrc32(bytes));
        expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)))).toBe(zlibCrc32(bytes));
      }),
      { seed: 1 },
    );
  });
});
