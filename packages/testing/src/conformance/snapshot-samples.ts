import { membershipOf, type Owner, type SnapshotInfo, type SnapshotMeta, type SnapshotStore } from '@kontiki/core';
import { decodeSnapshot, encodeSnapshot } from '@kontiki/core/wire';
import { Random } from '../random.js';

export const owner: Owner = { cluster: 'conformance', server: 'a' };

const membership = membershipOf(['a', 'b'].map((id) => [id, { address: `test://${id}:1`, metadata: '' }] as const));

/** A snapshot and its encoded bytes. The bytes span several chunks unless the state is tiny. */
export interface Sample {
  readonly meta: SnapshotMeta;
  readonly state: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Bytes of state per chunk of a sample. */
const CHUNK = 700;

/** Returns a snapshot at `index`. Different seeds give different snapshots at the same index. */
export async function sampleAt(index: number, stateBytes = 2_000, seed = 0): Promise<Sample> {
  const random = new Random(index + seed, 'snapshot');
  const id = Array.from({ length: 32 }, () => random.below(16).toString(16)).join('');
  const last = { index, term: 3 };
  const meta = { id, cluster: owner.cluster, last, membership: { index: 1, membership }, genesis: 77, version: 2 };
  const state = Uint8Array.from({ length: stateBytes }, () => random.below(256));
  const chunkBytes = stateBytes > 100_000 ? undefined : CHUNK;
  return { meta, state, bytes: await joined(encodeSnapshot(meta, once(state), { chunkBytes })) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}

/** Reads a stream to its end and returns all bytes. */
export async function joined(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/**
 * Writes a sample to a store and finishes the snapshot. Starts at the offset where the store
 * resumes. Syncs after each piece if `syncs` is true.
 */
export async function save(
  store: SnapshotStore,
  { meta, bytes }: Sample,
  piece = 1_000,
  syncs = false,
): Promise<SnapshotInfo> {
  const writer = await store.create(meta);
  while (writer.offset < bytes.length) {
    await writer.write(bytes.slice(writer.offset, writer.offset + piece));
    if (syncs) await writer.sync();
  }
  return writer.finish();
}

/** Returns the item that `list` must return for a sample. */
export function infoOf({ meta, bytes }: Sample): SnapshotInfo {
  return { ...meta, bytes: bytes.length };
}

/**
 * Checks that a store lists exactly these samples, in this order, and has all their bytes. Returns
 * the first error found.
 */
export async function difference(store: SnapshotStore, samples: readonly Sample[]): Promise<string | undefined> {
  const listed = (await store.list()).map(({ id }) => id);
  const wanted = samples.map(({ meta }) => meta.id);
  if (listed.join() !== wanted.join())
    return `the store lists ${listed.join() || 'nothing'}, not ${wanted.join() || 'nothing'}`;
  for (const sample of samples) {
    const wrong = await stateError(store, sample);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** Returns an error if the state in a stored snapshot differs from the sample's state. */
export async function stateError(store: SnapshotStore, { meta, state }: Sample): Promise<string | undefined> {
  const stored = await joined(decodeSnapshot(store.read(meta.id)));
  return same(stored, state) ? undefined : `snapshot ${meta.id} has a different state`;
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
