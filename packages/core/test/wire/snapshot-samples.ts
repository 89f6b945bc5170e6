import { membershipOf, type SnapshotMeta } from '@kontiki/core';

/** The metadata of the golden snapshot. */
export const meta: SnapshotMeta = {
  id: '00112233445566778899aabbccddeeff',
  cluster: 'billing-9f2c41d07ab3',
  last: { index: 0x1_0000_0002, term: 9 },
  membership: {
    index: 7,
    membership: membershipOf(
      [
        ['a', { address: 'ws://a:1', metadata: '' }],
        ['b', { address: 'ws://b:1', metadata: 'é' }],
      ],
      ['b'],
      0,
    ),
  },
  genesis: 0xcafe_f00d,
  version: 3,
};

/** Returns a stream of the given pieces. */
export async function* streamOf(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  yield* pieces;
}

/** Resolves with all bytes of a stream. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece.slice());
  return new Uint8Array(Buffer.concat(pieces));
}

/** Returns a stream of `bytes` in pieces of `size` bytes. */
export function inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void> {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
  return streamOf(...pieces);
}

/** Returns bytes that repeat the values from 0 to 250. */
export function countingBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}
