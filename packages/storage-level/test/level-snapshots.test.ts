import { MemoryLevel } from 'memory-level';
import { expect, it } from 'vitest';
import { silentLogger, type SnapshotMeta } from '@kontiki/core';
import { encodeSnapshot } from '@kontiki/core/wire';
import { LevelSnapshots } from '../src/level-snapshots.js';
import { membership, owner } from './samples.js';
import { WatchedLevel } from './watched-level.js';

const meta: SnapshotMeta = {
  id: '0'.repeat(32),
  cluster: owner.cluster,
  last: { index: 5, term: 1 },
  membership: { index: 1, membership },
  genesis: 77,
  version: 0,
};

async function* state(bytes: number): AsyncIterable<Uint8Array> {
  yield new Uint8Array(bytes);
}

async function save(store: LevelSnapshots, bytes: number): Promise<void> {
  const writer = await store.create(meta);
  for await (const piece of encodeSnapshot(meta, state(bytes))) await writer.write(piece);
  await writer.finish();
}

it('rewriting a snapshot deletes all data of the old snapshot', async () => {
  const database = new MemoryLevel();
  const errors: string[] = [];
  const logger = { ...silentLogger, error: (text: string) => errors.push(text) };
  const store = new LevelSnapshots(database, { logger });
  await store.open(owner);
  await save(store, 700_000);
  await save(store, 10_000);
  const keys = async (): Promise<number> => (await database.keys().all()).length;
  // Three keys are left: those of the owner, the snapshot's info, and its only chunk.
  await expect.poll(keys).toBe(3);
  await store.close();
  await store.open(owner);
  expect(errors).toEqual([]);
  expect((await store.list()).map(({ id }) => id)).toEqual([meta.id]);
  await store.close();
});

it('a snapshot writer writes one batch at a time even if sync and write overlap', async () => {
  const database = new WatchedLevel();
  const store = new LevelSnapshots(database);
  await store.open(owner);
  const bytes: Uint8Array[] = [];
  for await (const piece of encodeSnapshot(meta, state(900_000))) bytes.push(piece);
  const all = Buffer.concat(bytes);
  const writer = await store.create(meta);
  await writer.write(all.subarray(0, 1_000));
  const syncing = writer.sync();
  await writer.write(all.subarray(1_000));
  await syncing;
  await writer.finish();
  expect(database.mostBatches).toBe(1);
  await store.close();
});
