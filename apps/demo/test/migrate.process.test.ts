// Shows that nodes can be moved from one store to another while the cluster runs, and that an
// interrupted or failed move loses nothing. Runs `kontiki-demo migrate` on nodes of real clusters.

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openFolder } from '@kontiki/files/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DemoCluster, eventually, type ProcessResult, type NodeStatus } from './cluster.js';
import { Load } from './load.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

const storePath = (id: string, storage: string): string => join(cluster.data, id, storage);

function migrate(id: string, from: string, to: string): Promise<ProcessResult> {
  return cluster.run(['migrate', '--from', `${from}:${storePath(id, from)}`, '--to', `${to}:${storePath(id, to)}`])
    .result;
}

/** Stops one node with SIGTERM. */
async function stop(id: string): Promise<void> {
  const { pid } = (await cluster.status(id)) as NodeStatus;
  process.kill(pid, 'SIGTERM');
  await eventually(`${id} has stopped`, async () => (await cluster.status(id)) === undefined);
}

/**
 * Returns the total size of the files in a folder. The folder and its files may disappear at any
 * time, so it would be useless to check first whether they exist.
 */
function size(folder: string): number {
  try {
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0);
    return sizes.reduce((sum, bytes) => sum + bytes, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

async function start(id: string): Promise<void> {
  cluster.run(['node', '--id', id, '--data', cluster.data, '--snapshot-entries', '200']);
  await eventually(`${id} has caught up`, () => cluster.caughtUp(id));
}

describe('kontiki-demo migrate', () => {
  it('moving all nodes under load, one by one, loses no acknowledged write', async () => {
    await cluster.start('--snapshot-entries', '200');
    const load = new Load(cluster, 4, 'move');
    const more = async (count: number): Promise<void> => {
      const wanted = load.acknowledged.size + count;
      await eventually(`${count} acknowledged writes`, () => load.acknowledged.size >= wanted, 60_000);
    };
    await more(500);
    for (const id of cluster.ids) {
      await stop(id);
      await more(50);
      const { code, output } = await migrate(id, 'fs', 'level');
      expect([code, output]).toEqual([0, expect.stringContaining(`${id} now has its data in`)]);
      // LevelDB makes its files readable by everyone, so the folder must be private.
      expect(statSync(storePath(id, 'level')).mode & 0o777).toBe(0o700);
      await start(id);
      await more(50);
    }
    await load.stop();
    expect(await load.missing()).toEqual([]);
    for (const id of cluster.ids) expect(await load.missing(id)).toEqual([]);

    // Starting the node on the old log is refused with an error that names the new store.
    await stop('n1');
    const path = join(cluster.data, 'cluster.json');
    const moved = readFileSync(path, 'utf8');
    writeFileSync(path, moved.replace('"level"', '"fs"'));
    const old = await cluster.run(['node', '--id', 'n1', '--data', cluster.data]).result;
    expect([old.code, old.output]).toEqual([1, expect.stringContaining('KONTIKI_MOVED')]);
    expect(old.output).toContain(`level:${storePath('n1', 'level')}`);
    writeFileSync(path, moved);
    // Moving back is refused while the folder of the old store exists.
    const refused = await migrate('n1', 'level', 'fs');
    expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('already exists')]);
  });

  it('migrate can be killed and rerun at any step, and only one store can be opened', async () => {
    await cluster.start();
    const load = new Load(cluster, 4, 'interrupted');
    await eventually('400 acknowledged writes', () => load.acknowledged.size >= 400, 60_000);
    await load.stop();
    await stop('n1');
    const args = ['migrate', '--from', `fs:${storePath('n1', 'fs')}`, '--to', `level:${storePath('n1', 'level')}`];
    const copy = `${storePath('n1', 'level')}.copy`;
    const copyInode = (): number | undefined => statSync(copy, { throwIfNoEntry: false })?.ino;
    const retired = join(storePath('n1', 'fs'), 'wal-moved');
    for (const [name, moment] of [
      ['immediately', () => true],
      ['when it has created a new copy', () => true],
      ['when it has copied the first bytes', () => size(copy) > 0],
      ['when it has copied most bytes', () => size(copy) > 50_000],
      ['when it is retiring the old log', () => existsSync(`${retired}.new`) || existsSync(retired)],
      ['when it has retired the old log', () => existsSync(retired)],
      ['when it has renamed the copy', () => existsSync(storePath('n1', 'level'))],
    ] as const) {
      // A new run deletes the previous run's copy and creates its own, which has another inode.
      const before = copyInode();
      const killed = cluster.run(args);
      const copyIsNew = (): boolean =>
        name === 'immediately' || existsSync(retired) || (copyInode() ?? before) !== before;
      while (killed.alive && !(copyIsNew() && moment())) await new Promise(setImmediate);
      killed.process.kill('SIGKILL');
      await killed.result;
    }
    const { code, output } = await cluster.run(args).result;
    expect([code, output]).toEqual([0, expect.stringContaining('n1 now has its data in')]);
    expect(existsSync(copy)).toBe(false);
    await start('n1');
    expect(await load.missing('n1')).toEqual([]);
  });

  it('a failed migrate removes its copy, and the node starts on its old store', async () => {
    await cluster.start();
    await eventually('n1 takes a snapshot', async () => {
      return (await fetch(`${cluster.url('n1')}/snapshot`, { method: 'POST' })).status === 200;
    });
    await stop('n1');
    const name = readdirSync(storePath('n1', 'fs')).find((file) => file.startsWith('snapshot-0')) as string;
    const file = join(storePath('n1', 'fs'), name);
    const whole = readFileSync(file);
    writeFileSync(
      file,
      whole.map((byte, i) => (i === whole.length - 1 ? byte ^ 1 : byte)),
    );
    const failed = await migrate('n1', 'fs', 'level');
    expect([failed.code, failed.output]).toEqual([1, expect.stringContaining('damaged')]);
    expect(readdirSync(join(cluster.data, 'n1'))).toEqual(['fs']);
    writeFileSync(file, whole);
    await start('n1');
  });

  it('migrate refuses a running node and invalid flags with one sentence', async () => {
    await cluster.start();
    const running = await migrate('n1', 'fs', 'level');
    expect([running.code, running.output]).toEqual([1, expect.stringContaining('KONTIKI_LOCKED')]);
    expect((await cluster.status('n1'))?.id).toBe('n1');
    const lock = await (await openFolder(join(cluster.data, 'n2'))).lock('migrate');
    const second = await migrate('n2', 'fs', 'level');
    expect([second.code, second.output]).toEqual([1, expect.stringContaining('is in use by another process')]);
    expect(existsSync(storePath('n2', 'level.copy'))).toBe(false);
    await lock.release();
    const fs = `fs:${storePath('n1', 'fs')}`;
    const level = `level:${storePath('n1', 'level')}`;
    for (const [args, text] of [
      [[], '--from is missing'],
      [['--from', fs], '--to is missing'],
      [['--from', fs, '--to', 'here'], '--to must be STORE:DIR'],
      [['--from', fs, '--to', `memory:${storePath('n1', 'memory')}`], '--to must be one of fs, level'],
      [['--from', fs, '--to', fs], 'are the same store'],
      [['--from', fs, '--to', `level:${storePath('n2', 'level')}`], '--to must be level:'],
      [['--from', `fs:${cluster.data}`, '--to', level], 'is not the store of a node'],
      [['--from', level, '--to', fs], `is not the current store of n1. Use --from ${fs}`],
    ] as const) {
      const { code, output } = await cluster.run(['migrate', ...args]).result;
      expect([code, output]).toEqual([2, expect.stringContaining(text)]);
      expect(output.split('\n')).toHaveLength(2);
    }
    // A refused command creates no files.
    expect(existsSync(storePath('n1', 'level'))).toBe(false);
    expect((await cluster.run(['migrate', '--help']).result).output).toContain('--from');
  });
});

describe('nodes with different stores', () => {
  it('a node with its data in memory cannot be restarted', async () => {
    const demo = await cluster.start('--storage', 'fs,memory,level', '--transport', 'http');
    expect(demo.output).toContain('n2 cannot be started again');
    const load = new Load(cluster, 4, 'mixed');
    await eventually('200 acknowledged writes', () => load.acknowledged.size >= 200, 60_000);
    const { pid } = (await cluster.status('n2')) as NodeStatus;
    process.kill(pid, 'SIGKILL');
    await eventually('n2 has exited', async () => (await cluster.status('n2')) === undefined);
    const { code, output } = await cluster.run(['node', '--id', 'n2', '--data', cluster.data]).result;
    expect([code, output]).toEqual([5, expect.stringContaining('its log was in memory')]);
    const before = load.acknowledged.size;
    await eventually('the others accept writes', () => load.acknowledged.size >= before + 100, 60_000);
    await load.stop();
    expect(await load.missing()).toEqual([]);
  });

  it('demo refuses stores and transports that are unknown or contradict the cluster', async () => {
    for (const [args, text] of [
      [['--storage', 'tape'], '--storage must be one of fs, level, memory'],
      [['--storage', 'fs,level'], 'names 2 stores for 3 nodes'],
      [['--transport', 'pigeon'], '--transport must be one of ws, http'],
    ] as const) {
      const { code, output } = await cluster.run(['demo', '--data', join(cluster.data, 'x'), ...args]).result;
      expect([code, output]).toEqual([2, expect.stringContaining(text)]);
    }
    const demo = await cluster.start();
    demo.process.kill('SIGTERM');
    await demo.result;
    for (const [args, text] of [
      [['--storage', 'level'], 'uses --storage fs,fs,fs, not level'],
      [['--transport', 'http'], 'uses --transport ws, not http'],
    ] as const) {
      const { code, output } = await cluster.run(['demo', '--data', cluster.data, ...args]).result;
      expect([code, output]).toEqual([2, expect.stringContaining(text)]);
    }
  });
});
