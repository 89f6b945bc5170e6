// Shows that the format of a database does not change by accident. After a fixed sequence of calls,
// the keys and values are compared with recorded ones.
import { MemoryLevel } from 'memory-level';
import { expect, it } from 'vitest';
import type { SnapshotMeta } from '@kontiki/core';
import { crc32, encodeSnapshot } from '@kontiki/core/wire';
import { LevelLog } from '../src/level-log.js';
import { LevelSnapshots } from '../src/level-snapshots.js';
import { command, commands, first, membership, owner } from './samples.js';

/**
 * Returns all keys as hexadecimal digits, without the prefix of the sublevel. Each key is followed
 * by the length of its value, and by a checksum of both.
 */
async function fingerprints(database: MemoryLevel): Promise<string[]> {
  const pairs = await database.iterator<Uint8Array, Uint8Array>({ keyEncoding: 'view', valueEncoding: 'view' }).all();
  return pairs.map(
    ([key, value]) =>
      `${Buffer.from(key.subarray(key.lastIndexOf(33) + 1)).toString('hex')} ${value.length} ${crc32(value, crc32(key)).toString(16)}`,
  );
}

it('a log writes the recorded keys and values', async () => {
  const database = new MemoryLevel();
  const log = new LevelLog(database);
  await log.open(owner);
  await log.append({ entries: [first, ...commands(2, 6, 1)], ballot: { term: 2, votedFor: 'b' } });
  await log.append({ entries: [...commands(7, 9, 2), command(10, 2, 100_000)] });
  await log.append({ entries: [command(8, 3), { kind: 'membership', index: 9, term: 3, membership }], committed: 7 });
  await log.compact({ index: 3, term: 1, membership: { index: 1, membership }, genesis: 77 });
  await log.append({ ballot: { term: 5, votedFor: 'a' } });
  await log.retire('level:elsewhere');
  await log.close();
  expect(await fingerprints(database)).toMatchInlineSnapshot(`
    [
      "62 65 2758f252",
      "65000000000000000000000001 222 3681e12a",
      "65000000000000000000000007 45 2f60187d",
      "65000000000000000000000008 90 b1b58abb",
      "68 84 ad7de496",
      "6d000000000000000000000001 52 415964c1",
      "6d000000000000000000000009 52 d811c9ca",
      "6f 21 155924b",
      "74000000000000000000000001 28 42c483c9",
      "74000000000000000000000007 28 88c1b853",
      "74000000000000000000000008 28 26aa9920",
      "7a 21 9e0d0644",
    ]
  `);
});

it('a snapshot store writes the recorded keys and values', async () => {
  const database = new MemoryLevel();
  const store = new LevelSnapshots(database);
  await store.open(owner);
  const metaAt = (index: number): SnapshotMeta => ({
    id: `${index}`.padStart(32, '0'),
    cluster: owner.cluster,
    last: { index, term: 2 },
    membership: { index: 1, membership },
    genesis: 5,
    version: 1,
  });
  async function* state(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(300_000).fill(7);
  }
  for (const [index, synced] of [
    [10, 0],
    [20, 1_000],
  ] as const) {
    const writer = await store.create(metaAt(index));
    for await (const bytes of encodeSnapshot(metaAt(index), state(), { chunkBytes: 1_000 })) {
      await writer.write(bytes);
      if (writer.offset < synced) continue;
      if (synced > 0) break;
    }
    if (synced === 0) await writer.finish();
    else await writer.sync();
  }
  await store.close();
  expect(await fingerprints(database)).toMatchInlineSnapshot(`
    [
      "6300000000000000010000000000000000 258048 57d61d41",
      "630000000000000001000000000003f000 44486 6099c97",
      "6300000000000000020000000000000000 1118 3ef74588",
      "690000000000000001 122 d521b19b",
      "690000000000000002 122 d32dc39e",
      "6f 21 ca8a4e1a",
    ]
  `);
});
