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
import { inPieces, collect, meta, countingBytes, streamOf } from './snapshot-samples.js';

/**
 * A version 1 snapshot with two chunks of state. Every release must read the bytes of all earlier
 * releases, so these bytes never change.
 */
const golden =
  '4b4f4e5449534e50010000008400000000112233445566778899aabbccddeeff020000000100000009000000000000000700' +
  '0000000000000df0feca0300000000000000140062696c6c696e672d39663263343164303761623302000000010061080077' +
  '733a2f2f613a31000001010062080077733a2f2f623a310200c3a904e98be19a060000000001020304057cc2884404000000' +
  '0607080927c8a48f000000000a000000000000000a0000000000000086932dcb';

const state = countingBytes(10);
const head = encodeSnapshotHead(meta);
const whole = await collect(encodeSnapshot(meta, streamOf(state), { chunkBytes: 6 }));

/** A stand-in for a compression algorithm. It inverts every byte. */
const inverse = async function* (bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  for await (const piece of bytes) yield piece.map((byte) => byte ^ 0xff);
};
const inverted: SnapshotCompression = { kind: 200, compress: inverse, decompress: inverse };

/**
 * Corrects the checksums of a modified snapshot, as far as its lengths permit, so that the decoder
 * reads the modified fields.
 */
function fixChecksums(snapshot: Uint8Array): Uint8Array {
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

/**
 * Resolves with the decoded state, or with the code of an expected error. Rejects with an
 * unexpected error, because such an error is a bug in the decoder.
 */
async function outcome(bytes: Uint8Array, piece = 1 << 20): Promise<string> {
  try {
    return Buffer.from(await collect(decodeSnapshot(inPieces(bytes, piece)))).toString('hex');
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_CORRUPT') || isKontikiError(error, 'KONTIKI_FORMAT')) return error.code;
    if (isKontikiError(error, 'KONTIKI_UNSUPPORTED')) return error.code;
    throw error;
  }
}

describe('snapshot encoding', () => {
  it('the snapshot encoding of version 1 does not change', async () => {
    expect(Buffer.from(whole).toString('hex')).toBe(golden);
    expect(await collect(decodeSnapshot(streamOf(Buffer.from(golden, 'hex'))))).toEqual(state);
    expect(readSnapshotHead(Buffer.from(golden, 'hex'))).toEqual({ ...meta, compression: 0, length: head.length });
  });

  it('a snapshot decodes to its metadata and state from pieces of any size', async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 });
    const sizes = fc.record({ chunkBytes: fc.integer({ min: 1, max: 50 }), piece: fc.integer({ min: 1, max: 90 }) });
    await fc.assert(
      fc.asyncProperty(
        pieces,
        sizes,
        membership,
        fc.boolean(),
        async (given, { chunkBytes, piece }, members, packed) => {
          const of = { ...meta, time: packed ? piece : undefined, membership: { index: 3, membership: members } };
          const compression = packed ? inverted : undefined;
          const encoded = await collect(encodeSnapshot(of, streamOf(...given), { chunkBytes, compression }));
          const decoded = await collect(decodeSnapshot(inPieces(encoded, piece), [inverted]));
          expect(decoded).toEqual(new Uint8Array(Buffer.concat(given)));
          const info = await checkSnapshot(inPieces(encoded, piece));
          expect(info).toMatchObject({ ...of, bytes: encoded.length, state: decoded.length, stored: decoded.length });
          const ends = [encoded.subarray(0, MAX_SNAPSHOT_HEAD), encoded.subarray(-SNAPSHOT_TRAILER)] as const;
          expect(summarizeSnapshot(...ends, encoded.length)).toEqual(info);
        },
      ),
      { seed: 1 },
    );
  });

  it('encodeSnapshot returns full chunks that each fit into a frame', async () => {
    const large = countingBytes(3 * MAX_SNAPSHOT_CHUNK);
    const lengths: number[] = [];
    for await (const piece of encodeSnapshot(meta, inPieces(large, 100_000))) lengths.push(piece.length);
    const full = MAX_SNAPSHOT_CHUNK;
    expect(lengths).toEqual([head.length, full, full, full, 32, SNAPSHOT_TRAILER]);
    const pieces: Uint8Array[] = [];
    for await (const piece of encodeSnapshot(meta, streamOf(large))) pieces.push(piece);
    expect(await collect(decodeSnapshot(streamOf(...pieces)))).toEqual(large);
  });

  it('encodeSnapshot requests no state before its caller requests the first chunk', async () => {
    let requested = false;
    const pieces = encodeSnapshot(
      meta,
      (async function* () {
        requested = true;
        yield state;
      })(),
    );
    expect((await pieces.next()).value).toEqual(head);
    expect(requested).toBe(false);
    await pieces.next();
    expect(requested).toBe(true);
  });

  it('SnapshotChecker returns plain Uint8Array views of its input, not copies', () => {
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
    ['an invalid id', { ...meta, id: '../../etc/passwd' }],
    ['an invalid cluster', { ...meta, cluster: 'a/b' }],
    ['a last entry with index 0', { ...meta, last: { index: 0, term: 0 } }],
    ['a membership above the last entry', { ...meta, membership: { ...meta.membership, index: 2 ** 40 } }],
  ])('encodeSnapshotHead rejects %s', (_, of) => {
    expect(() => encodeSnapshotHead(of)).toThrow(expect.objectContaining({ code: 'KONTIKI_PROTOCOL' }));
  });

  it('encodeSnapshot and decodeSnapshot throw errors from their source', async () => {
    const gone = new Error('gone');
    const failing = async function* (bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
      yield bytes;
      throw gone;
    };
    await expect(collect(encodeSnapshot(meta, failing(state)))).rejects.toBe(gone);
    await expect(collect(encodeSnapshot(meta, failing(state), { compression: inverted }))).rejects.toBe(gone);
    for (const compression of [undefined, inverted]) {
      const encoded = await collect(encodeSnapshot(meta, streamOf(state), { compression }));
      await expect(collect(decodeSnapshot(failing(encoded.subarray(0, -5)), [inverted]))).rejects.toBe(gone);
    }
  });

  it('decodeSnapshot closes its source when the caller stops reading', async () => {
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

describe('damaged snapshots', () => {
  it('decodeSnapshot rejects truncation at any byte, even with valid checksums', async () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect(await outcome(whole.slice(0, length)), `${length} bytes`).toBe('KONTIKI_CORRUPT');
      if (length > 16) expect(await outcome(fixChecksums(whole.slice(0, length)))).toBe('KONTIKI_CORRUPT');
    }
  });

  it('decodeSnapshot rejects any flipped bit, in pieces of any size', async () => {
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const flipped = whole.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(await outcome(flipped, 1 + (bit % 70)), `bit ${bit}`).toBe('KONTIKI_CORRUPT');
    }
  });

  it('decodeSnapshot rejects bytes after the end of a snapshot', async () => {
    expect(await outcome(Buffer.concat([whole, Buffer.of(0)]))).toBe('KONTIKI_CORRUPT');
    expect(await outcome(Buffer.concat([whole, whole]))).toBe('KONTIKI_CORRUPT');
  });

  it('decodeSnapshot rejects moved, duplicate, missing and foreign chunks', async () => {
    const second = head.length + 14;
    const [a, b] = [whole.subarray(head.length, second), whole.subarray(second, second + 12)];
    const end = whole.subarray(second + 12);
    const other = await collect(encodeSnapshot({ ...meta, id: 'f'.repeat(32) }, streamOf(state), { chunkBytes: 6 }));
    const foreign = other.subarray(head.length, second);
    for (const parts of [[b, a], [a, a, b], [a, b, b], [a], [b], [foreign, b]]) {
      expect(await outcome(Buffer.concat([head, ...parts, end]))).toBe('KONTIKI_CORRUPT');
    }
    expect(await outcome(Buffer.concat([head, a, b, end]))).not.toContain('KONTIKI');
  });

  it('the error for a damaged snapshot names the offset and the kind of damage', async () => {
    const flipped = whole.slice();
    flipped[head.length + 18] = (flipped[head.length + 18] as number) ^ 1;
    await expect(collect(decodeSnapshot(streamOf(flipped)))).rejects.toThrow(
      `damaged at byte ${head.length + 14}: the part that starts here does not match its checksum`,
    );
    await expect(checkSnapshot(streamOf(whole.subarray(0, -1)))).rejects.toThrow(
      `damaged at byte ${whole.length - 1}: it ends here, within the part that starts at byte ${whole.length - SNAPSHOT_TRAILER}`,
    );
  });

  it('decodeSnapshot decodes or rejects a changed byte even if the checksums match', async () => {
    const seen = new Set<string>();
    for (let at = 0; at < whole.length; at += 1) {
      for (const by of [0x01, 0x80, 0xff]) {
        const changed = whole.slice();
        changed[at] = (changed[at] as number) ^ by;
        const result = await outcome(fixChecksums(changed), 1 + (at % 50));
        seen.add(result.startsWith('KONTIKI') ? result : 'read');
      }
    }
    expect([...seen].sort()).toEqual(['KONTIKI_CORRUPT', 'KONTIKI_FORMAT', 'KONTIKI_UNSUPPORTED', 'read']);
  });

  it('checkSnapshot rejects an impossible length before it allocates memory', async () => {
    for (const [at, words] of [
      [12, /head cannot have 4294967295 bytes/],
      [head.length, /chunk cannot have 4294967295 bytes/],
    ] as const) {
      const changed = whole.slice();
      new DataView(changed.buffer).setUint32(at, 0xffff_ffff, true);
      await expect(checkSnapshot(inPieces(changed, 1))).rejects.toThrow(words);
    }
  });

  it('decodeSnapshot rejects a trailer with wrong lengths', async () => {
    const at = whole.length - SNAPSHOT_TRAILER + 4;
    for (const offset of [at, at + 8]) {
      const changed = whole.slice();
      changed[offset] = 11;
      expect(await outcome(fixChecksums(changed))).toBe('KONTIKI_CORRUPT');
    }
    const packed = await collect(encodeSnapshot(meta, streamOf(state), { compression: inverted }));
    packed[packed.length - SNAPSHOT_TRAILER + 12] = 11;
    await expect(collect(decodeSnapshot(streamOf(fixChecksums(packed)), [inverted]))).rejects.toThrow(
      /claims 11 bytes of state, but/,
    );
  });

  it('decodeSnapshot rejects state that cannot be decompressed, with the cause', async () => {
    const packed = await collect(encodeSnapshot(meta, streamOf(state), { compression: inverted }));
    const cause = new Error('bad block');
    const throws: SnapshotCompression = {
      ...inverted,
      // oxlint-disable-next-line require-yield
      decompress: async function* () {
        throw cause;
      },
    };
    await expect(collect(decodeSnapshot(streamOf(packed), [throws]))).rejects.toMatchObject({
      code: 'KONTIKI_CORRUPT',
      cause,
    });
    const lazy: SnapshotCompression = { ...inverted, decompress: () => streamOf(state) };
    await expect(collect(decodeSnapshot(inPieces(packed, 9), [lazy]))).rejects.toThrow(
      /follow the end of its compressed state/,
    );
  });
});

describe('summarizeSnapshot', () => {
  it('summarizeSnapshot rejects a head and trailer that do not match the length', () => {
    const ends = [whole.subarray(0, 200), whole.subarray(-SNAPSHOT_TRAILER)] as const;
    expect(summarizeSnapshot(...ends, whole.length).bytes).toBe(whole.length);
    for (const off of [-1, 1, 8]) {
      const bytes = off === 8 ? whole.length + 8 * 20 : whole.length + off;
      expect(() => summarizeSnapshot(...ends, bytes)).toThrow(/cannot hold/);
    }
    expect(() => summarizeSnapshot(ends[0], new Uint8Array(SNAPSHOT_TRAILER).fill(1), whole.length)).toThrow(/trailer/);
  });
});

describe('SnapshotChecker', () => {
  it('SnapshotChecker reports the end of the last valid part', () => {
    const checker = new SnapshotChecker();
    const torn = head.length + 14 + 5;
    checker.write(whole.subarray(0, torn));
    expect([checker.offset, checker.validEnd]).toEqual([torn, torn - 5]);
  });

  it('SnapshotChecker rejects the head of an unexpected snapshot', () => {
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
