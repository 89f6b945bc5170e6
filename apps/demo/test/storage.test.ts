// Shows that a node never starts an empty database in place of a damaged one.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootstrap, silentLogger as logger } from '@kontiki/core';
import { Level } from 'level';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { storesAt } from '../src/cluster/storage.js';

let path: string;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'kontiki-storage-'));
});
afterEach(() => rmSync(path, { recursive: true }));

const identity = { cluster: 'c', server: 'a' };

async function start(): Promise<void> {
  const { log, snapshots, release } = await storesAt(path, 'level', { logger, isNew: true });
  await bootstrap(log, { ...identity, members: { a: 'ws://127.0.0.1:1' }, snapshots });
  await release();
}

/** Opens the log as a later start would. Resolves with the resulting error. */
async function openFailure(): Promise<unknown> {
  const { log, release } = await storesAt(path, 'level', { logger });
  try {
    return await log.open(identity).catch((error: unknown) => error);
  } finally {
    await log.close();
    await release();
  }
}

const tables = (): string[] => readdirSync(path).filter((file) => /\.(ldb|log)$/.test(file));

it('a database without its file CURRENT is refused, and keeps its files', async () => {
  await start();
  // When LevelDB opens a database, it moves the data from its log to a table. Without the file
  // `CURRENT`, LevelDB would delete this table.
  const db = new Level(path);
  await db.open();
  await db.close();
  const before = tables();
  rmSync(join(path, 'CURRENT'));
  expect(await openFailure()).toMatchObject({
    code: 'KONTIKI_STORE_FAILED',
    message: expect.stringContaining('create_if_missing is false'),
  });
  expect(tables()).toEqual(expect.arrayContaining(before));
});

it('an empty folder gets an empty database, so that the node can report its lost log', async () => {
  const { log, release } = await storesAt(path, 'level', { logger });
  expect(await log.open(identity)).toMatchObject({ last: 0 });
  await log.close();
  await release();
});

it('a first start that was interrupted can be continued', async () => {
  await start();
  rmSync(join(path, 'CURRENT'));
  await start().catch((error: unknown) => expect(error).toMatchObject({ code: 'KONTIKI_NOT_BLANK' }));
});
