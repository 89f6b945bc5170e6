import { membershipOf, type SnapshotMeta, type SnapshotStore } from '@kontiki/core';
import { encodeSnapshot } from '@kontiki/core/wire';

export const owner = { cluster: 'test', server: 'a' };

export function metaAt(index: number): SnapshotMeta {
  return {
    id: index.toString(16).padStart(32, 'a'),
    cluster: owner.cluster,
    last: { index, term: 2 },
    membership: { index: 1, membership: membershipOf([['a', { address: 'ws://a', metadata: '' }]]) },
    genesis: 5,
    version: 1,
  };
}

async function* streamOf(...pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  yield* pieces;
}

export async function joined(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** Encodes a snapshot at `index` with `length` bytes of state, in chunks of 40 bytes. */
export function encoded(index: number, length = 100): Promise<Uint8Array> {
  const state = Uint8Array.from({ length }, (_, i) => (i * index) & 0xff);
  return joined(encodeSnapshot(metaAt(index), streamOf(state), { chunkBytes: 40 }));
}

/** Saves the snapshot at `index`. */
export async function save(store: SnapshotStore, index: number, length = 100): Promise<void> {
  const writer = await store.create(metaAt(index));
  await writer.write((await encoded(index, length)).subarray(writer.offset));
  await writer.finish();
}
