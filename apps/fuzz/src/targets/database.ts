import { MemoryLevel } from 'memory-level';
import { isKontikiError } from '@kontiki/core';
import { crc32, encodeSnapshot, Reader, Writer } from '@kontiki/core/wire';
import { LevelLog, LevelSnapshots } from '@kontiki/storage-level';
import { check, type Target } from '../target.js';
import { command, membership, meta, owner } from './samples.js';

const views = { keyEncoding: 'view', valueEncoding: 'view' } as const;

/** Encodes all keys and values of a database, each preceded by its length. */
async function dump(database: MemoryLevel): Promise<Uint8Array> {
  const parts = (await database.iterator<Uint8Array, Uint8Array>(views).all()).flat();
  const writer = new Writer(parts.reduce((sum, part) => sum + 2 + part.length, 0));
  for (const part of parts) {
    writer.u16(part.length);
    writer.raw(part);
  }
  return writer.bytes;
}

/** Decodes all complete key/value pairs in an input. */
function pairsOf(input: Uint8Array): [key: Uint8Array, value: Uint8Array][] {
  const pairs: [Uint8Array, Uint8Array][] = [];
  const reader = new Reader(input);
  try {
    while (reader.left > 0) pairs.push([reader.raw(reader.u16()), reader.raw(reader.u16())]);
  } catch {
    // The last pair is incomplete and is ignored.
  }
  return pairs;
}

/** Returns an encoded database that contains a snapshot and the log that `write` has written. */
async function written(write: (log: LevelLog) => Promise<void>): Promise<Uint8Array> {
  const database = new MemoryLevel();
  const log = new LevelLog(database);
  await log.open(owner);
  await write(log);
  await log.close();
  const store = new LevelSnapshots(database);
  await store.open(owner);
  const writer = await store.create(meta);
  const state = (async function* () {
    yield Uint8Array.of(1, 2, 3);
  })();
  for await (const piece of encodeSnapshot(meta, state)) await writer.write(piece);
  await writer.finish();
  await store.close();
  return dump(database);
}

/** Opens and reads the log. Returns whether it has entries. */
async function readLog(database: MemoryLevel): Promise<boolean> {
  const log = new LevelLog(database);
  const { base, last } = await log.open(owner);
  try {
    for (const number of [base.index, base.term, last])
      check(Number.isSafeInteger(number) && number >= 0, `${number} is a safe integer`);
    const entries = last > base.index ? await log.read(base.index + 1, last, 1024 * 1024) : [];
    check(entries.length <= last - base.index, 'a log returns at most its own entries');
    return entries.length > 0;
  } finally {
    await log.close();
  }
}

/** Opens and reads the snapshots. Returns whether there are any snapshots. */
async function readSnapshots(database: MemoryLevel): Promise<boolean> {
  const store = new LevelSnapshots(database);
  await store.open(owner);
  try {
    const listed = await store.list();
    for (const { id, bytes } of listed) {
      let read = 0;
      for await (const piece of store.read(id)) read += piece.length;
      check(read === bytes, 'a listed snapshot can be read');
    }
    return listed.length > 0;
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

const isExpected = (error: unknown): boolean => isKontikiError(error) && CODES.has(error.code);

export const database: Target = {
  name: 'database',
  about: 'LevelLog.open and LevelSnapshots.open of @kontiki/storage-level, and reads of what they accept',
  seeds: async () => [
    await written(async (log) => {
      await log.append({ entries: [{ kind: 'membership', index: 1, term: 1, membership }, command(2, 1)] });
      await log.append({ ballot: { term: 2, votedFor: 'b' }, entries: [command(3, 2)], committed: 2 });
    }),
    await written(async (log) => {
      await log.reset({ index: 7, term: 2, membership: { index: 1, membership }, genesis: 77 });
      await log.append({ entries: [command(8, 2)] });
    }),
  ],
  run: async (input) => {
    const database = new MemoryLevel();
    const pairs = pairsOf(input).filter(([key]) => key.length > 0);
    await database.batch<Uint8Array, Uint8Array>(
      pairs.map(([key, value]) => ({ type: 'put', key, value })),
      views,
    );
    // Open each store, even if the other store cannot be opened.
    const results = await Promise.allSettled([readLog(database), readSnapshots(database)]);
    await database.close();
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    for (const error of errors) if (!isExpected(error)) throw error;
    return results.every((result) => result.status === 'fulfilled' && result.value);
  },
  isExpected,
  repair: (input) => {
    for (const [key, value] of pairsOf(input)) {
      // The checksum of a value also covers its key, without the prefixes of the sublevels.
      const sealed = key.subarray(key.lastIndexOf(0x21) + 1);
      if (value.length < 4 || sealed[0] === 0x63) continue;
      new DataView(value.buffer, value.byteOffset).setUint32(0, crc32(value.subarray(4), crc32(sealed)), true);
    }
  },
};
