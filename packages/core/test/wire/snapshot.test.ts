import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isKontikiError } from '@kontiki/core';
import {
  checkSnapshot,
  crc32,
  decodeSnapshot,
  encodeSnapshot,
  encodeSnapshotHead,
  MAX_SNAPSHOT_CHUNK,
  MAX_SNAPSHOT_HEAD,
  readSnapshotHead,
  SNAPSHOT_TRAILER,
  SnapshotChecker,
  summarizeSnapshot,
  type SnapshotCompression,
} from '@kontiki/core/wire';
import { membership } from './arbitraries.js';
import { cut, joined, meta, numbered, streamOf } from './snapshot-samples.js';

/** What version 1 looks like: two chunks of state. Bytes written by any release must be read by every later one, so these never change. */
const golden =
  '4b4f4e5449534e50010000008400000000112233445566778899aabbccddeeff020000000100000009000000000000000700' +
  '0000000000000df0feca0300000000000000140062696c6c696e672d39663263343164303761623302000000010061080077' +
  '733a2f2f613a31000001010062080077733a2f2f623a310200c3a904e98be19a060000000001020304057cc2884404000000' +
  '0607080927c8a48f000000000a000000000000000a0000000000000086932dcb';

const state = numbered(10);
const head = encodeSnapshotHead(meta);
const whole = await joined(encodeSnapshot(meta, streamOf(state), { chunkBytes: 6 }));

/** Turns every byte around: a compression that needs no library. */
const inverse = async function* (bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const piece of bytes) yield piece.map((byte) => byte ^ 0xff);
};
const inverted: SnapshotCompression = { kind: 200, compress: inverse, decompress: inverse };

/** Makes the checksums right again as far as the lengths allow, so that what was changed reaches the fields. */
function seal(snapshot: Uint8Array): Uint8Array {
  const view = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.length);
  let sum = 0;
  let at = 0;
  for (let size = view.getUint32(12, true); ;) {
    if (at + size > snapshot.length || size < 4) return snapshot;
    sum = crc32(snapshot.subarray(at, at + size - 4), sum);
    view.setUint32(at + size - 4, sum, true);
    at += size;
    if (at + 4 > snapshot.length) return snapshot;
    const length = view.getUint32(at, true);
    size = length === 0 ? SNAPSHOT_TRAILER : length + 8;
  }
}

/** What came of bytes: their state, or the refusal. Anything but one of ours is a failure of the decoder. */
async function outcome(bytes: Uint8Array, piece = 1 << 20): Promise<string> {
  try {
    return Buffer.from(await joined(decodeSnapshot(cut(bytes, piece)))).toString('hex');
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_CORRUPT') || isKontikiError(error, 'KONTIKI_FORMAT')) return error.code;
    if (isKontikiError(error, 'KONTIKI_UNSUPPORTED')) return error.code;
    throw error;
  }
}

describe('snapshots, encoded', () => {
  it('are what they were: golden bytes', async () => {
    expect(Buffer.from(whole).toString('hex')).toBe(golden);
    expect(await joined(decodeSnapshot(streamOf(Buffer.from(golden, 'hex'))))).toEqual(state);
    expect(readSnapshotHead(Buffer.from(golden, 'hex'))).toEqual({ ...meta, compression: 0, length: head.length });
  });

  it('give back what they are of, and the state, whatever pieces they come in', async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    const sizes = fc.record({ chunkBytes: fc.integer({ min: 1, max: 50 }), piece: fc.integer({ min: 1, max: 90 }) });
    await fc.assert(
      fc.asyncProperty(
        pieces,
        sizes,
        membership,
        fc.boolean(),
        async (given, { chunkBytes, piece }, members, packed) => {
          const of = { ...meta, membership: { index: 3, membership: members } };
          const compression = packed ? inverted : undefined;
          const encoded = await joined(encodeSnapshot(of, streamOf(...given), { chunkBytes, compression }));
          const decoded = await joined(decodeSnapshot(cut(encoded, piece), [inverted]));
          expect(decoded).toEqual(new Uint8Array(Buffer.concat(given)));
          const info = await checkSnapshot(cut(encoded, piece));
          expect(info).toMatchObject({ ...of, bytes: encoded.length, state: decoded.length, stored: decoded.length });
          const ends = [encoded.subarray(0, MAX_SNAPSHOT_HEAD), encoded.subarray(-SNAPSHOT_TRAILER)] as const;
          expect(summarizeSnapshot(...ends, encoded.length)).toEqual(info);
        },
      ),
    );
  });

  it('come in pieces that fit into a frame, full ones whatever the state came in', async () => {
    const large = numbered(3 * MAX_SNAPSHOT_CHUNK);
    const lengths: number[] = [];
    for await (const piece of encodeSnapshot(meta, cut(large, 100_000))) lengths.push(piece.length);
    const full = MAX_SNAPSHOT_CHUNK;
    expect(lengths).toEqual([head.length, full, full, full, 32, SNAPSHOT_TRAILER]);
    const pieces: Uint8Array[] = [];
    for await (const piece of encodeSnapshot(meta, streamOf(large))) pieces.push(piece);
    expect(await joined(decodeSnapshot(streamOf(...pieces)))).toEqual(large);
  });

  it('ask for no state before they are asked for the piece behind the head', async () => {
    let asked = false;
    const pieces = encodeSnapshot(
      meta,
      (async function* () {
        asked = true;
        yield state;
      })(),
    );
    expect((await pieces.next()).value).toEqual(head);
    expect(asked).toBe(false);
    await pieces.next();
    expect(asked).toBe(true);
  });

  it('give views of what they are read from, and no copies; plain ones, also of a Buffer', () => {
    const checker = new SnapshotChecker();
    const views: Uint8Array[] = [];
    const split = head.length + 9;
    checker.write(Buffer.from(whole.buffer, 0, split), views);
    expect(views).toEqual([]);
    checker.write(whole.subarray(split), views);
    expect(views.map(({ length }) => length)).toEqual([5, 1, 4]);
    expect(views.every((view) => view.buffer === whole.buffer && view.constructor === Uint8Array)).toBe(true);
  });

  it.each([
    ['an id that is none', { ...meta, id: '../../etc/passwd' }],
    ['a cluster that is none', { ...meta, cluster: 'a/b' }],
    ['no entry', { ...meta, last: { index: 0, term: 0 } }],
    ['a membership above its last entry', { ...meta, membership: { ...meta.membership, index: 2 ** 40 } }],
  ])('are not written of %s', (_, of) => {
    expect(() => encodeSnapshotHead(of)).toThrow(expect.objectContaining({ code: 'KONTIKI_PROTOCOL' }));
  });

  it('end in the error of their state, and of the bytes they are read from', async () => {
    const gone = new Error('gone');
    const failing = async function* (bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
      yield bytes;
      throw gone;
    };
    await expect(joined(encodeSnapshot(meta, failing(state)))).rejects.toBe(gone);
    await expect(joined(encodeSnapshot(meta, failing(state), { compression: inverted }))).rejects.toBe(gone);
    for (const compression of [undefined, inverted]) {
      const encoded = await joined(encodeSnapshot(meta, streamOf(state), { compression }));
      await expect(joined(decodeSnapshot(failing(encoded.subarray(0, -5)), [inverted]))).rejects.toBe(gone);
    }
  });

  it('let go of what they are read from when nobody reads on', async () => {
    let ended = 0;
    const source = async function* (): AsyncGenerator<Uint8Array, void> {
      try {
        yield whole.subarray(0, -30);
        yield whole.subarray(-30);
      } finally {
        ended += 1;
      }
    };
    for await (const piece of decodeSnapshot(source())) if (piece.length > 0) break;
    expect(ended).toBe(1);
  });
});

describe('a snapshot that is damaged', () => {
  it('cut at any byte, the checksums right or not, is refused', async () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect(await outcome(whole.slice(0, length)), `${length} bytes`).toBe('KONTIKI_CORRUPT');
      if (length > 16) expect(await outcome(seal(whole.slice(0, length)))).toBe('KONTIKI_CORRUPT');
    }
  });

  it('with any bit turned is refused, whatever pieces it comes in', async () => {
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const flipped = whole.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(await outcome(flipped, 1 + (bit % 70)), `bit ${bit}`).toBe('KONTIKI_CORRUPT');
    }
  });

  it('with something behind its end is refused', async () => {
    expect(await outcome(Buffer.concat([whole, Buffer.of(0)]))).toBe('KONTIKI_CORRUPT');
    expect(await outcome(Buffer.concat([whole, whole]))).toBe('KONTIKI_CORRUPT');
  });

  it('whose chunks change places, come twice, are left out or belong to another one is refused', async () => {
    const second = head.length + 14;
    const [a, b] = [whole.subarray(head.length, second), whole.subarray(second, second + 12)];
    const end = whole.subarray(second + 12);
    const other = await joined(encodeSnapshot({ ...meta, id: 'f'.repeat(32) }, streamOf(state), { chunkBytes: 6 }));
    const foreign = other.subarray(head.length, second);
    for (const parts of [[b, a], [a, a, b], [a, b, b], [a], [b], [foreign, b]]) {
      expect(await outcome(Buffer.concat([head, ...parts, end]))).toBe('KONTIKI_CORRUPT');
    }
    expect(await outcome(Buffer.concat([head, a, b, end]))).not.toContain('KONTIKI');
  });

  it('says where, and with what', async () => {
    const flipped = whole.slice();
    flipped[head.length + 18] = (flipped[head.length + 18] as number) ^ 1;
    await expect(joined(decodeSnapshot(streamOf(flipped)))).rejects.toThrow(
      `damaged at byte ${head.length + 14}: the part that starts here does not match its checksum`,
    );
    await expect(checkSnapshot(streamOf(whole.subarray(0, -1)))).rejects.toThrow(
      `damaged at byte ${whole.length - 1}: it ends here, within the part that starts at byte ${whole.length - SNAPSHOT_TRAILER}`,
    );
  });

  it('any byte changed behind right checksums: another state, or a refusal with a code', async () => {
    const seen = new Set<string>();
    for (let at = 0; at < whole.length; at += 1) {
      for (const by of [0x01, 0x80, 0xff]) {
        const changed = whole.slice();
        changed[at] = (changed[at] as number) ^ by;
        const came = await outcome(seal(changed), 1 + (at % 50));
        seen.add(came.startsWith('KONTIKI') ? came : 'read');
      }
    }
    expect([...seen].sort()).toEqual(['KONTIKI_CORRUPT', 'KONTIKI_FORMAT', 'KONTIKI_UNSUPPORTED', 'read']);
  });

  it('is refused for a length before anything is made for it', async () => {
    for (const [at, words] of [
      [12, /head cannot have 4294967295 bytes/],
      [head.length, /chunk cannot have 4294967295 bytes/],
    ] as const) {
      const changed = whole.slice();
      new DataView(changed.buffer).setUint32(at, 0xffff_ffff, true);
      await expect(checkSnapshot(cut(changed, 1))).rejects.toThrow(words);
    }
  });

  it('whose trailer tells of another length is refused, decompressed too', async () => {
    const at = whole.length - SNAPSHOT_TRAILER + 4;
    for (const offset of [at, at + 8]) {
      const changed = whole.slice();
      changed[offset] = 11;
      expect(await outcome(seal(changed))).toBe('KONTIKI_CORRUPT');
    }
    const packed = await joined(encodeSnapshot(meta, streamOf(state), { compression: inverted }));
    packed[packed.length - SNAPSHOT_TRAILER + 12] = 11;
    await expect(joined(decodeSnapshot(streamOf(seal(packed)), [inverted]))).rejects.toThrow(
      /claims 11 bytes of state, but/,
    );
  });

  it('whose state does not decompress is refused, with the cause', async () => {
    const packed = await joined(encodeSnapshot(meta, streamOf(state), { compression: inverted }));
    const cause = new Error('bad block');
    const throws: SnapshotCompression = {
      ...inverted,
      // oxlint-disable-next-line require-yield
      decompress: async function* () {
        throw cause;
      },
    };
    await expect(joined(decodeSnapshot(streamOf(packed), [throws]))).rejects.toMatchObject({
      code: 'KONTIKI_CORRUPT',
      cause,
    });
    const lazy: SnapshotCompression = { ...inverted, decompress: () => streamOf(state) };
    await expect(joined(decodeSnapshot(cut(packed, 9), [lazy]))).rejects.toThrow(
      /follow the end of its compressed state/,
    );
  });
});

describe('the ends of a snapshot', () => {
  it('that do not fit its length are refused', () => {
    const ends = [whole.subarray(0, 200), whole.subarray(-SNAPSHOT_TRAILER)] as const;
    expect(summarizeSnapshot(...ends, whole.length).bytes).toBe(whole.length);
    for (const off of [-1, 1, 8]) {
      const bytes = off === 8 ? whole.length + 8 * 20 : whole.length + off;
      expect(() => summarizeSnapshot(...ends, bytes)).toThrow(/cannot hold/);
    }
    expect(() => summarizeSnapshot(ends[0], new Uint8Array(SNAPSHOT_TRAILER).fill(1), whole.length)).toThrow(/trailer/);
  });
});

describe('the checker', () => {
  it('tells how far the bytes are whole and right', () => {
    const checker = new SnapshotChecker();
    const torn = head.length + 14 + 5;
    checker.write(whole.subarray(0, torn));
    expect([checker.offset, checker.validEnd]).toEqual([torn, torn - 5]);
  });

  it('refuses the head of another snapshot than the one expected', () => {
    for (const other of [
      { ...meta, id: 'e'.repeat(32) },
      { ...meta, last: { index: 5 + 2 ** 32, term: 9 } },
      { ...meta, version: 4 },
      { ...meta, genesis: 1 },
    ]) {
      expect(() => new SnapshotChecker(other).write(whole)).toThrow(/head belongs to another snapshot/);
    }
    const checker = new SnapshotChecker(meta);
    checker.write(whole);
    expect(checker.end()).toMatchObject(meta);
  });
});
