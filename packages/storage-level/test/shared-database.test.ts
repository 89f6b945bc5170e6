import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { MemoryLevel } from 'memory-level';
import { describe, expect, it } from 'vitest';
import { isKontikiError } from '@kontiki/core';
import { LevelLog } from '../src/level-log.js';
import { code, command, commands, first, membership, owner } from './samples.js';

describe('a database shared by several stores', () => {
  it('two groups and other data in one database do not affect each other', async () => {
    const database = new MemoryLevel<string, { n: number }>({ valueEncoding: 'json' });
    await database.put('mine', { n: 1 });
    const [orders, users] = [new LevelLog(database, { name: 'orders' }), new LevelLog(database, { name: 'users' })];
    await orders.open(owner);
    await users.open({ cluster: 'other', server: 'b' });
    await orders.append({ entries: [first, ...commands(2, 30, 1)] });
    await users.append({ entries: [first] });
    await users.append({ entries: [command(1, 9)] });
    await orders.compact({ index: 20, term: 1, membership: { index: 1, membership }, genesis: 77 });
    await users.reset({ index: 40, term: 9, membership: { index: 1, membership }, genesis: 77 });
    await Promise.all([orders.close(), users.close()]);
    expect((await orders.open(owner)).last).toBe(30);
    expect(await orders.read(21, 30, Infinity)).toHaveLength(10);
    expect((await users.open({ cluster: 'other', server: 'b' })).last).toBe(40);
    expect(await database.get('mine')).toEqual({ n: 1 });
    expect(await code(new LevelLog(database, { name: 'users' }).open(owner))).toBe('KONTIKI_LOCKED');
  });

  it('a log works in a sublevel of another database', async () => {
    const root = new MemoryLevel();
    const log = new LevelLog(root.sublevel(['kontiki']), { name: 'deep' });
    await log.open(owner);
    expect(await code(new LevelLog(root.sublevel('kontiki'), { name: 'deep' }).open(owner))).toBe('KONTIKI_LOCKED');
    await log.append({ entries: [first] });
    await log.close();
    const again = new LevelLog(root.sublevel('kontiki'), { name: 'deep' });
    expect((await again.open(owner)).last).toBe(1);
  });

  it('a log opens its database if it is closed, but never closes it', async () => {
    const database = new MemoryLevel();
    const log = new LevelLog(database);
    await log.open(owner);
    await log.append({ entries: [first] });
    await log.close();
    expect(database.status).toBe('open');
    await database.close();
    expect((await log.open(owner)).last).toBe(1);
    // When the database is closed while the log is open, the log's calls fail with this cause.
    await database.close();
    const error: unknown = await log.append({ entries: [command(2, 1)] }).catch((reason: unknown) => reason);
    expect(isKontikiError(error, 'KONTIKI_STORE_FAILED') && (error.cause as { code: string }).code).toBe(
      'LEVEL_DATABASE_NOT_OPEN',
    );
    await log.close();
  });

  it.each(['', 'a b', 'é', 'a"b', '!'])('a log rejects the name %j', (name) => {
    expect(() => new LevelLog(new MemoryLevel(), { name })).toThrow('printable ASCII');
  });

  it('open rejects with KONTIKI_LOCKED if another instance has opened the database', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kontiki-level-'));
    const mine = new ClassicLevel(folder);
    const log = new LevelLog(mine);
    await log.open(owner);
    const other = new ClassicLevel(folder);
    try {
      const error: unknown = await new LevelLog(other).open(owner).catch((reason: unknown) => reason);
      expect(isKontikiError(error, 'KONTIKI_LOCKED') && error.message).toContain(join(folder, 'LOCK'));
      await log.append({ entries: [first] });
      await log.close();
    } finally {
      await Promise.all([mine.close(), other.close()]);
      rmSync(folder, { recursive: true });
    }
  });

  it('open reports why a database cannot be opened', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kontiki-level-'));
    try {
      writeFileSync(join(folder, 'CURRENT'), 'MANIFEST-000007\n');
      const error: unknown = await new LevelLog(new ClassicLevel(folder))
        .open(owner)
        .catch((reason: unknown) => reason);
      expect(isKontikiError(error, 'KONTIKI_STORE_FAILED') && error.message).toContain(
        `${join(folder, 'MANIFEST-000007')}: No such file`,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
