import { MemoryLevel } from 'memory-level';
import { isKontikiError, membershipOf, type Entry, type SnapshotMeta } from '@kontiki/core';
import { crc32, encodeSnapshot, Reader, Writer } from '@kontiki/core/wire';
import { LevelLog, LevelSnapshots } from '@kontiki/storage-level';
import { check, type Target } from '../target.js';

const owner = { cluster: 'fuzz', server: 'a' };
const membership = membershipOf(['a', 'b'].map((id) => [id, { address: `ws://${id}`, metadata: '' }]));
const meta: SnapshotMeta = {
  id: '00112233445566778899aabbccddeeff',
  cluster: 'fuzz',
  last: { index: 9, term: 3 },
  membership: { index: 1, membership },
  genesis: 5,
  version: 3,
};
const command = (index: number, term: number): Entry => ({ kind: 'command', index, term, data: Uint8Array.of(index) });
const views = { keyEncoding: 'view', valueEncoding: 'view' } as const;

/** Encodes all keys and values of a database, each with its length before it. */
async function dump(database: MemoryLevel): Promise<Uint8Array> {
  const parts = (await database.iterator<Uint8Array, Uint8Array>(views).all()).flat();
  const writer = new Writer(parts.reduce((sum, part) => sum + 2 + part.length, 0));
  for (const part of parts) {
    writer.u16(part.length);
    writer.raw(part);
  }
  return writer.bytes;
}

/** Decodes as many keys and values as an input has. */
function pairsOf(input: Uint8Array): [key: Uint8Array, value: Uint8Array][] {
  const pairs: [Uint8Array, Uint8Array][] = [];
  const reader = new Reader(input);
  try {
    while (reader.left > 0) pairs.push([reader.raw(reader.u16()), reader.raw(reader.u16())]);
  } catch {
    // The last pair is incomplete.
  }
  return pairs;
}

async function written(write: (database: MemoryLevel) => Promise<void>): Promise<Uint8Array> {
  const database = new MemoryLevel();
  await write(database);
  return dump(database);
}

async function readLog(database: MemoryLevel): Promise<void> {
  const log = new LevelLog(database);
  const { base, last } = await log.open(owner);
  try {
    for (const number of [base.index, base.term, last])
      check(Number.isSafeInteger(number) && number >= 0, `${number} is a safe integer`);
    const entries = last > base.index ? await log.read(base.index + 1, last, 1024 * 1024) : [];
    check(entries.length <= last - base.index, 'a log returns at most its own entries');
  } finally {
    await log.close();
  }
}

async function readSnapshots(database: MemoryLevel): Promise<void> {
  const store = new LevelSnapshots(database);
  await store.open(owner);
  try {
    for (const { id, bytes } of await store.list()) {
      let read = 0;
      for await (const piece of store.read(id)) read += piece.length;
      check(read === bytes, 'a listed snapshot can be read');
    }
  } finally {
    await store.close();
  }
}

const CODES = new Set([
  'KONTIKI_CORRUPT',
  'KONTIKI_FORMAT',
  'KONTIKI_FOREIGN_DATA',
  'KONTIKI_LOST_DATA',
  'KONTIKI_MOVED',
]);

export const database: Target = {
  name: 'database',
  about: 'LevelLog.open and LevelSnapshots.open of @kontiki/storage-level, and reads of what they accept',
  seeds: async () => [
    await written(async (database) => {
      const log = new LevelLog(database);
      await log.open(owner);
      await log.append({ entries: [{ kind: 'membership', index: 1, term: 1, membership }, command(2, 1)] });
      await log.append({ ballot: { term: 2, votedFor: 'b' }, entries: [command(3, 2)], committed: 2 });
      await log.close();
    }),
    await written(async (database) => {
      const log = new LevelLog(database);
      await log.open(owner);
      await log.reset({ index: 7, term: 2, membership: { index: 1, membership }, genesis: 77 });
      await log.append({ entries: [command(8, 2)] });
      await log.retire('level:elsewhere');
      await log.close();
    }),
    await written(async (database) => {
      const store = new LevelSnapshots(database);
      await store.open(owner);
      const writer = await store.create(meta);
      const state = (async function* () {
        yield Uint8Array.of(1, 2, 3);
      })();
      for await (const piece of encodeSnapshot(meta, state)) await writer.write(piece);
      await writer.finish();
      await store.close();
    }),
  ],
  run: async (input) => {
    const database = new MemoryLevel();
    const pairs = pairsOf(input).filter(([key]) => key.length > 0);
    await database.batch<Uint8Array, Uint8Array>(
      pairs.map(([key, value]) => ({ type: 'put', key, value })),
      views,
    );
    // Both stores open, whatever the other one finds.
    const [log, snapshots] = await Promise.allSettled([readLog(database), readSnapshots(database)]);
    await database.close();
    for (const { reason } of [log, snapshots] as PromiseRejectedResult[]) if (reason !== undefined) throw reason;
  },
  isExpected: (error) => isKontikiError(error) && CODES.has(error.code),
  repair: (input) => {
    for (const [key, value] of pairsOf(input)) {
      // Values are sealed with the part of the key after the prefixes of its sublevels.
      const sealed = key.subarray(key.lastIndexOf(0x21) + 1);
      if (value.length < 4 || sealed[0] === 0x63) continue;
      new DataView(value.buffer, value.byteOffset).setUint32(0, crc32(value.subarray(4), crc32(sealed)), true);
    }
  },
};
