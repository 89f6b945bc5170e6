import { MemoryLevel } from 'memory-level';
import { describe, expect, it } from 'vitest';
import { isKontikiError, type Entry } from '@kontiki/core';
import { LEVEL } from '@kontiki/core/protocol';
import { Random } from '@kontiki/testing';
import { LevelLog } from '../src/level-log.js';
import { encodeBlock } from '../src/block.js';
import { keyOf, OWNER } from '../src/keys.js';
import { encodeOwner } from '../src/values.js';
import { code, command, commands, first, membership, owner } from './samples.js';
import { WatchedLevel } from './watched-level.js';

type Bytes = Uint8Array;

function contents(database: MemoryLevel): Promise<[Bytes, Bytes][]> {
  return database.iterator<Bytes, Bytes>({ keyEncoding: 'view', valueEncoding: 'view' }).all();
}

async function databaseOf(pairs: Iterable<readonly [Bytes, Bytes]>): Promise<MemoryLevel> {
  const database = new MemoryLevel();
  for (const [key, value] of pairs) {
    await database.put<Bytes, Bytes>(key, value.slice(), { keyEncoding: 'view', valueEncoding: 'view' });
  }
  return database;
}

/** Opens a log and returns its state and all entries. */
async function contentsOf(log: LevelLog): Promise<unknown> {
  const { repairs: _, ...state } = await log.open(owner);
  const entries = state.last === state.base.index ? [] : await log.read(state.base.index + 1, state.last, Infinity);
  await log.close();
  return { ...state, entries };
}

/** Writes terms, memberships, a replaced suffix, a base and a vote to a log. */
async function fill(database: MemoryLevel): Promise<void> {
  const log = new LevelLog(database);
  await log.open(owner);
  await log.append({ entries: [first, ...commands(2, 6, 1)], ballot: { term: 2, votedFor: 'b' } });
  await log.append({ entries: commands(7, 9, 2) });
  await log.append({ entries: [command(8, 3), { kind: 'membership', index: 9, term: 3, membership }], committed: 7 });
  await log.compact({ index: 3, term: 1, membership: { index: 1, membership }, genesis: 77 });
  await log.append({ entries: commands(10, 11, 3) });
  await log.append({ ballot: { term: 5, votedFor: 'a' } });
  await log.append({ entries: commands(12, 13, 5), committed: 9 });
  await log.append({ entries: commands(14, 14, 6) });
  await log.close();
}

describe('group commit of a database log', () => {
  it('calls made while a batch is being written share the next batch', async () => {
    const database = new WatchedLevel();
    const log = new LevelLog(database);
    await log.open(owner);
    await log.append({ entries: [first] });
    const before = database.batches.length;
    await Promise.all(Array.from({ length: 20 }, (_, i) => log.append({ entries: [command(i + 2, 1)] })));
    expect(database.batches.length - before).toBe(2);
    expect(database.batches.every(({ sync }) => sync)).toBe(true);
  });

  it('a batch contains at most 4 MiB of entries', async () => {
    const database = new WatchedLevel();
    const log = new LevelLog(database);
    await log.open(owner);
    await log.append({ entries: [first] });
    const before = database.batches.length;
    await Promise.all(Array.from({ length: 10 }, (_, i) => log.append({ entries: [command(i + 2, 1, 1_000_000)] })));
    const sizes = database.batches
      .slice(before)
      .map(({ operations }) => operations.reduce((sum, { value }) => sum + (value?.length ?? 0), 0));
    expect(sizes.length).toBeGreaterThan(2);
    expect(Math.max(...sizes)).toBeLessThan(4.3e6);
  });
});

describe('opening a database log', () => {
  it('open reads only one block of entries from a long log', async () => {
    const database = new WatchedLevel();
    const log = new LevelLog(database);
    await log.open(owner);
    await log.append({ entries: [first] });
    for (let index = 2; index < 2_000; index += 1) await log.append({ entries: [command(index, 1 + (index >> 9))] });
    await log.close();
    database.read = 0;
    expect((await log.open(owner)).last).toBe(1_999);
    expect(database.read).toBeLessThan(25);
  });

  it('open finishes an interrupted compaction and deletes all compacted entries', async () => {
    const database = new MemoryLevel();
    let log = new LevelLog(database);
    await log.open(owner);
    await log.append({ entries: [first] });
    for (let index = 2; index <= 100; index += 1) await log.append({ entries: [command(index, index)] });
    const before = await contents(database);
    await log.compact({ index: 90, term: 90, membership: { index: 1, membership }, genesis: 77 });
    await log.close();
    // Simulate a crash that happened before any keys were deleted.
    const base = await contents(database);
    const crashed = await databaseOf([...before, ...base]);
    for (const at of [database, crashed]) {
      log = new LevelLog(at);
      expect((await log.open(owner)).base.index).toBe(90);
      expect((await log.read(91, 100, Infinity)).length).toBe(10);
      await expect.poll(async () => (await contents(at)).length).toBe(3 + 11 + 10);
      await log.reset({ index: 500, term: 200, membership: { index: 1, membership }, genesis: 77 });
      await expect.poll(async () => (await contents(at)).length).toBe(3);
      await log.close();
    }
  });
});

describe('reading a database log', () => {
  it('a read while the log is being replaced returns old or new entries without a gap', async () => {
    const old = commands(2, 30, 1);
    const newer = commands(9, 40, 2);
    for (let wait = 0; wait < 60; wait += 1) {
      const log = new LevelLog(new MemoryLevel());
      await log.open(owner);
      await log.append({ entries: [first] });
      for (let at = 0; at < old.length; at += 3) await log.append({ entries: old.slice(at, at + 3) });
      const read = log.read(5, 30, Infinity);
      for (let turn = 0; turn < wait; turn += 1) await Promise.resolve();
      const replaced = log.append({ entries: newer });
      const page = (await read) as Entry[];
      expect(page.map(({ index }) => index)).toEqual(page.map((_, i) => 5 + i));
      expect(page.every(({ term }, i) => term >= (page[i - 1]?.term ?? 0))).toBe(true);
      expect(page.slice(0, 4)).toEqual(old.slice(3, 7));
      expect([old[7], newer[0]]).toContainEqual(page[4]);
      expect([old[28], newer[21]]).toContainEqual(page[25]);
      await replaced;
      await log.close();
    }
  });

  it('read restarts if entries are replaced before all of them are found', async () => {
    const database = new WatchedLevel();
    const log = new LevelLog(database);
    await log.open(owner);
    await log.append({ entries: [first] });
    await log.append({ entries: commands(2, 7, 1) });
    await log.append({ entries: commands(8, 9, 1) });
    const newer = commands(6, 12, 2);
    database.onFound = () => log.append({ entries: newer });
    expect(await log.read(5, 9, Infinity)).toEqual([command(5, 1), ...newer.slice(0, 4)]);
  });
});

describe('a slow read of a database log', () => {
  /**
   * Returns a log with several blocks, and a pending read of entries 5 to 30 that has already found
   * the first block.
   */
  async function reading(): Promise<{
    log: LevelLog;
    database: WatchedLevel;
    read: Promise<Entry[]>;
    resume: () => void;
  }> {
    const database = new WatchedLevel();
    const log = new LevelLog(database);
    await log.open(owner);
    await log.append({ entries: [first] });
    for (let at = 2; at <= 30; at += 4) await log.append({ entries: commands(at, Math.min(at + 3, 30), 1) });
    let resume = (): void => {};
    database.onFound = () => new Promise((resolve) => (resume = resolve));
    const read = log.read(5, 30, Infinity);
    await new Promise(setImmediate);
    return { log, database, read, resume };
  }

  it('read returns nothing if a reset removes all entries during the read', async () => {
    const { log, database, read, resume } = await reading();
    await log.reset({ index: 3, term: 1, membership: { index: 1, membership }, genesis: 77 });
    await expect.poll(async () => (await contents(database)).length).toBe(3);
    resume();
    expect(await read).toEqual([]);
  });

  it('close waits for a pending read', async () => {
    const { log, database, read, resume } = await reading();
    const closed = log.close().then(() => database.close());
    await new Promise(setImmediate);
    resume();
    expect(await read).toEqual(commands(5, 30, 1));
    await closed;
  });
});

it('a log becomes unusable if compacted entries cannot be deleted', async () => {
  const database = new WatchedLevel();
  await fill(database);
  const log = new LevelLog(database);
  await log.open(owner);
  database.clearError = new Error('the disk is gone');
  await log.compact({ index: 12, term: 5, membership: { index: 9, membership }, genesis: 77 });
  await expect.poll(() => code(log.append({ ballot: { term: 9, votedFor: 'a' } }))).toBe('KONTIKI_STORE_FAILED');
  await log.close();
  database.clearError = undefined;
  expect((await log.open(owner)).base.index).toBe(12);
});

describe('a damaged database log', () => {
  it('a log detects a flipped bit in any value, and any missing key', async () => {
    const database = new MemoryLevel();
    await fill(database);
    const pairs = await contents(database);
    const held = await contentsOf(new LevelLog(await databaseOf(pairs)));
    for (const [missing, [key, value]] of pairs.entries()) {
      const withoutKey = await databaseOf(pairs.filter((_, i) => i !== missing));
      const found = await contentsOf(new LevelLog(withoutKey)).catch((error: unknown) => error as { code: string });
      const text = new TextDecoder().decode(key);
      if ('code' in (found as object)) expect((found as { code: string }).code, text).toBe('KONTIKI_CORRUPT');
      else expect(found, text).toEqual(held);
      for (let at = 0; at < value.length; at += 1) {
        const flipped = value.slice();
        flipped[at] = (flipped[at] as number) ^ (1 << (at % 8));
        const damaged = await databaseOf(pairs.map((pair, i) => (i === missing ? [key, flipped] : pair)));
        expect(await code(contentsOf(new LevelLog(damaged))), `${text}, byte ${at}`).toBe('KONTIKI_CORRUPT');
      }
    }
  });

  it('open rejects a log whose newest block is missing or stale', async () => {
    const database = new MemoryLevel();
    await fill(database);
    const pairs = await contents(database);
    const isBlock = ([key]: readonly [Bytes, Bytes]): boolean => key.at(-13) === keyOf('block', 0, 0)[0];
    const end = pairs.indexOf(pairs.filter(isBlock).at(-1) as [Bytes, Bytes]);
    const gone = await databaseOf(pairs.filter((_, i) => i !== end));
    expect(await code(new LevelLog(gone).open(owner))).toBe('KONTIKI_CORRUPT');
    const [key] = pairs[end] as [Bytes, Bytes];
    const older = encodeBlock(0, commands(14, 14, 5), 1234).value;
    const back = await databaseOf(pairs.map((pair, i) => (i === end ? [key, older] : pair)));
    expect(await code(new LevelLog(back).open(owner))).toBe('KONTIKI_CORRUPT');
  });

  it('a log rejects a value stored under the wrong key, for any page size', async () => {
    const database = new MemoryLevel();
    await fill(database);
    const pairs = await contents(database);
    const entriesOf = async (log: LevelLog): Promise<Entry[]> => {
      const { base, last } = await log.open(owner);
      const entries: Entry[] = [];
      for (let index = base.index + 1; index <= last; index += 1) entries.push(...(await log.read(index, index, 1)));
      return entries;
    };
    const held = await entriesOf(new LevelLog(await databaseOf(pairs)));
    let refused = 0;
    for (const [i, [key]] of pairs.entries()) {
      for (const [j, [, value]] of pairs.entries()) {
        if (i === j) continue;
        const wrong = new LevelLog(await databaseOf(pairs.map((pair, at) => (at === i ? [key, value] : pair))));
        const found = await entriesOf(wrong).catch((error: unknown) => error);
        // Damage to a compacted block may go unnoticed, because nothing reads the block any more.
        if (!isKontikiError(found)) expect(found, `${j} in the place of ${i}`).toEqual(held);
        else expect(found.code).toBe('KONTIKI_CORRUPT');
        refused += isKontikiError(found) ? 1 : 0;
      }
    }
    expect(refused).toBeGreaterThan(pairs.length * (pairs.length - 3));
  });

  it('a log that has lost a batch either detects the loss or equals the full log', async () => {
    let noticed = 0;
    const seen = new WatchedLevel();
    await fill(seen);
    const random = new Random(1, 'log');
    for (let round = 0; round < 20; round += 1) {
      const log = new LevelLog(seen);
      const { last } = await log.open(owner);
      const from = last - random.below(3);
      await log.append({ entries: commands(from, from + random.below(4), 10 + round) });
      if (random.chance(0.3)) await log.append({ ballot: { term: 100 + round, votedFor: 'a' } });
      await log.close();
    }
    const batches = seen.batches.map(({ operations }) => operations);
    for (let end = 2; end <= batches.length; end += 1) {
      const replay = async (lost: number): Promise<MemoryLevel> => {
        const at = new MemoryLevel();
        const played = batches.slice(0, end).filter((_, i) => i !== lost);
        for (const operations of played) await at.batch(operations as never, { valueEncoding: 'view' });
        return at;
      };
      const held = await contentsOf(new LevelLog(await replay(-1)));
      for (let lost = 0; lost < end - 1; lost += 1) {
        const found = await contentsOf(new LevelLog(await replay(lost))).catch((error: unknown) => error);
        if (!isKontikiError(found)) expect(found, `batch ${lost} of ${end}`).toEqual(held);
        else {
          expect(found.code).toBe('KONTIKI_CORRUPT');
          noticed += 1;
        }
      }
    }
    expect(noticed).toBeGreaterThan(100);
  });

  it('open rejects a feature level from a newer version with KONTIKI_FORMAT', async () => {
    const newer = { ...membership, level: LEVEL + 1 };
    for (const write of [
      (log: LevelLog) => log.append({ entries: [first, { kind: 'membership', index: 2, term: 2, membership: newer }] }),
      (log: LevelLog) => log.reset({ index: 2, term: 2, membership: { index: 2, membership: newer }, genesis: 1 }),
    ]) {
      const database = new MemoryLevel();
      const log = new LevelLog(database);
      await log.open(owner);
      await write(log);
      await log.close();
      expect(await code(new LevelLog(database).open(owner))).toBe('KONTIKI_FORMAT');
    }
  });

  it('open rejects an unknown format, and unknown keys', async () => {
    const database = new MemoryLevel();
    await fill(database);
    const part = database.sublevel<Bytes, Bytes>(['kontiki', 'log'], { keyEncoding: 'view', valueEncoding: 'view' });
    const { seal } = await import('../src/seal.js');
    const newer = encodeOwner(owner).slice(4);
    newer[7] = 2;
    await part.put(
      OWNER,
      seal(OWNER, newer.length, (writer) => writer.raw(newer)),
    );
    expect(await code(new LevelLog(database).open(owner))).toBe('KONTIKI_FORMAT');
    const strange = new MemoryLevel();
    await strange.sublevel(['kontiki', 'log']).put('x', 'y');
    expect(await code(new LevelLog(strange).open(owner))).toBe('KONTIKI_CORRUPT');
  });
});
