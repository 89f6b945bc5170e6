import { MemoryLevel } from 'memory-level';
import { expect, it } from 'vitest';
import { VirtualClock } from '@kontiki/testing';
import { LevelLog } from '../src/level-log.js';
import { WatchedLevel } from './watched-level.js';
import { code, command, first, owner } from './samples.js';

const MIB = 1024 * 1024;

async function openLog(freeBytes: () => Promise<number>, database = new MemoryLevel()) {
  const clock = new VirtualClock();
  const log = new LevelLog(database, { clock, freeBytes });
  const reports: boolean[] = [];
  log.onFull((full) => reports.push(full));
  await log.open(owner);
  return { clock, log, reports };
}

it('a database log reports a full disk when it opens, and free space later', async () => {
  let free = 63 * MIB;
  const { clock, log, reports } = await openLog(async () => free);
  expect(reports).toEqual([true]);
  await log.append({ entries: [first] });
  free = 79 * MIB;
  await clock.elapse(1_000);
  expect(reports).toEqual([true]);
  free = 80 * MIB;
  await clock.elapse(1_000);
  expect(reports).toEqual([true, false]);
  await log.close();
});

it('a database log pauses writes while almost no disk space is left', async () => {
  let free = Infinity;
  const database = new WatchedLevel();
  const { clock, log, reports } = await openLog(async () => free, database);
  await log.append({ entries: [first] });
  free = 15 * MIB;
  const before = database.batches.length;
  let isDone = false;
  const append = log.append({ entries: [command(2, 1)] }).then(() => (isDone = true));
  await clock.elapse(1_000);
  expect([database.batches.length, isDone, reports]).toEqual([before, false, [true]]);
  free = Infinity;
  await clock.elapse(1_000);
  await append;
  expect(reports).toEqual([true, false]);
  await log.close();
});

it('a database log that waits for disk space can be closed and opened again', async () => {
  let free = Infinity;
  const database = new MemoryLevel();
  const { log } = await openLog(async () => free, database);
  await log.append({ entries: [first] });
  free = 0;
  const append = code(log.append({ entries: [command(2, 1)] }));
  await log.close();
  expect(await append).toBe('KONTIKI_STORE_FAILED');
  free = Infinity;
  const { last } = await log.open(owner);
  expect(last).toBe(1);
  await log.close();
});

it('a database log never reports a disk as full if it cannot measure the disk', async () => {
  const { log, reports } = await openLog(() => Promise.reject(new Error('no measure')));
  await log.append({ entries: [first] });
  await log.close();
  expect(reports).toEqual([]);
});
