import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { membershipOf } from '@kontiki/core';
import { checkSnapshot, decodeSnapshot, encodeSnapshot } from '@kontiki/core/wire';
import { gzip } from '@kontiki/snapshot';

const meta = {
  id: '5be0cd19137e2179a54ff53a5f1d36f1',
  cluster: 'test',
  last: { index: 4711, term: 3 },
  membership: { index: 1, membership: membershipOf([['a', { address: 'a', metadata: '' }]]) },
  genesis: 1,
  version: 1,
};
const state = Buffer.alloc(3_000_000, 'all work and no play ');

async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function joined(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('gzip', () => {
  it('gzip compresses a state and restores it', async () => {
    const encoded = await joined(encodeSnapshot(meta, cut(state, 70_000), { compression: gzip() }));
    expect(encoded.length).toBeLessThan(state.length / 10);
    expect(await checkSnapshot(cut(encoded, 1_000))).toMatchObject({ ...meta, compression: 1, state: state.length });
    expect((await joined(decodeSnapshot(cut(encoded, 1_000), [gzip()]))).equals(state)).toBe(true);
  });

  it('any gunzip can decompress the output of gzip at every level', async () => {
    for (const level of [1, 9]) {
      const packed = await joined(gzip(level).compress(cut(state, 100_000)));
      expect(gunzipSync(packed).equals(state)).toBe(true);
    }
  });

  it('gzip compresses and restores an empty state', async () => {
    const encoded = await joined(encodeSnapshot(meta, cut(Buffer.alloc(0), 1), { compression: gzip() }));
    expect((await joined(decodeSnapshot(cut(encoded, 50), [gzip()]))).length).toBe(0);
  });

  it('decoding a compressed snapshot without gzip rejects with KONTIKI_UNSUPPORTED', async () => {
    const encoded = await joined(encodeSnapshot(meta, cut(state, 70_000), { compression: gzip() }));
    await expect(joined(decodeSnapshot(cut(encoded, 9_000)))).rejects.toMatchObject({ code: 'KONTIKI_UNSUPPORTED' });
  });

  it('decoding invalid gzip data rejects with KONTIKI_CORRUPT', async () => {
    const lying = { ...gzip(), compress: (source: AsyncIterable<Uint8Array>) => source };
    const encoded = await joined(encodeSnapshot(meta, cut(state, 70_000), { compression: lying }));
    await expect(joined(decodeSnapshot(cut(encoded, 9_000), [gzip()]))).rejects.toMatchObject({
      code: 'KONTIKI_CORRUPT',
      cause: { code: 'Z_DATA_ERROR' },
    });
  });

  it('gzip rethrows errors of its source, and closes the source on an early return', async () => {
    const gone = new Error('gone');
    const failing = async function* (): AsyncGenerator<Uint8Array, void> {
      yield state;
      throw gone;
    };
    await expect(joined(gzip().compress(failing()))).rejects.toBe(gone);
    let ended = false;
    const endless = async function* (): AsyncGenerator<Uint8Array, void> {
      try {
        for (;;) yield state;
      } finally {
        ended = true;
      }
    };
    for await (const piece of gzip().compress(endless())) if (piece.length > 0) break;
    await expect.poll(() => ended).toBe(true);
  });
});
