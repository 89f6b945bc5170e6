import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openFolder } from '@kontiki/files/node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DemoCluster, eventually, type Ended, type NodeStatus } from './cluster.js';
import { Load } from './load.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

const place = (id: string, storage: string): string => join(cluster.data, id, storage);

function migrate(id: string, from: string, to: string): Promise<Ended> {
  return cluster.run(['migrate', '--from', `${from}:${place(id, from)}`, '--to', `${to}:${place(id, to)}`]).ended;
}

/** Stops one node in order, and leaves the others alone. */
async function stop(id: string): Promise<void> {
  const { pid } = (await cluster.status(id)) as NodeStatus;
  process.kill(pid, 'SIGTERM');
  await eventually(`${id} has stopped`, async () => (await cluster.status(id)) === undefined);
}

/** Bytes of the files in a folder. It comes and goes, as they do: whoever asks whether it is there first asks too early. */
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

describe('moving the nodes of a cluster to another store', () => {
  it('one at a time, under load: the cluster stays up, and nothing that was acknowledged is lost', async () => {
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
      expect([code, output]).toEqual([0, expect.stringContaining(`${id} has its data in`)]);
      // Nobody else can look into it: a database makes its files readable by all.
      expect(statSync(place(id, 'level')).mode & 0o777).toBe(0o700);
      await start(id);
      await more(50);
    }
    await load.stop();
    expect(await load.missing()).toEqual([]);
    for (const id of cluster.ids) expect(await load.missing(id)).toEqual([]);

    // Whoever starts the old log all the same is told where its server has gone.
    await stop('n1');
    const path = join(cluster.data, 'cluster.json');
    const moved = readFileSync(path, 'utf8');
    writeFileSync(path, moved.replace('"level"', '"fs"'));
    const old = await cluster.run(['node', '--id', 'n1', '--data', cluster.data]).ended;
    expect([old.code, old.output]).toEqual([1, expect.stringContaining('KONTIKI_MOVED')]);
    expect(old.output).toContain(`level:${place('n1', 'level')}`);
    writeFileSync(path, moved);
    // And back again, where the old log has been taken away.
    const refused = await migrate('n1', 'level', 'fs');
    expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('is there already')]);
  });

  it('that was interrupted anywhere is begun again, and ends with one store that opens', async () => {
    await cluster.start();
    const load = new Load(cluster, 4, 'interrupted');
    await eventually('400 acknowledged writes', () => load.acknowledged.size >= 400, 60_000);
    await load.stop();
    await stop('n1');
    const args = ['migrate', '--from', `fs:${place('n1', 'fs')}`, '--to', `level:${place('n1', 'level')}`];
    const copy = `${place('n1', 'level')}.copy`;
    const begun = (): number | undefined => statSync(copy, { throwIfNoEntry: false })?.ino;
    const retired = join(place('n1', 'fs'), 'wal-moved');
    for (const [name, moment] of [
      ['at once', () => true],
      ['when it begins to copy', () => true],
      ['while it copies', () => size(copy) > 0],
      ['when most is copied', () => size(copy) > 50_000],
      ['when it retires the old log', () => existsSync(`${retired}.new`) || existsSync(retired)],
      ['when the old log is retired', () => existsSync(retired)],
      ['when the copy is in its place', () => existsSync(place('n1', 'level'))],
    ] as const) {
      // What an earlier one has left is thrown away before another copy is begun.
      const before = begun();
      const killed = cluster.run(args);
      const isItsOwn = (): boolean => name === 'at once' || existsSync(retired) || (begun() ?? before) !== before;
      while (killed.alive && !(isItsOwn() && moment())) await new Promise(setImmediate);
      killed.process.kill('SIGKILL');
      await killed.ended;
    }
    const { code, output } = await cluster.run(args).ended;
    expect([code, output]).toEqual([0, expect.stringContaining('n1 has its data in')]);
    expect(existsSync(copy)).toBe(false);
    await start('n1');
    expect(await load.missing('n1')).toEqual([]);
  });

  it('that fails leaves no copy, which could fill the disk, and the node goes on from its old store', async () => {
    await cluster.start();
    await fetch(`${cluster.url('n1')}/snapshot`, { method: 'POST' });
    await stop('n1');
    const name = readdirSync(place('n1', 'fs')).find((file) => file.startsWith('snapshot-0')) as string;
    const file = join(place('n1', 'fs'), name);
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

  it('is refused while the node runs, and for what makes no sense: one clear sentence', async () => {
    await cluster.start();
    const running = await migrate('n1', 'fs', 'level');
    expect([running.code, running.output]).toEqual([1, expect.stringContaining('KONTIKI_LOCKED')]);
    expect((await cluster.status('n1'))?.id).toBe('n1');
    const other = await (await openFolder(join(cluster.data, 'n2'))).lock('migrate');
    const second = await migrate('n2', 'fs', 'level');
    expect([second.code, second.output]).toEqual([1, expect.stringContaining('is in use by another process')]);
    expect(existsSync(place('n2', 'level.copy'))).toBe(false);
    await other.release();
    const fs = `fs:${place('n1', 'fs')}`;
    const level = `level:${place('n1', 'level')}`;
    for (const [args, text] of [
      [[], '--from is missing'],
      [['--from', fs], '--to is missing'],
      [['--from', fs, '--to', 'here'], '--to takes STORE:DIR'],
      [['--from', fs, '--to', `memory:${place('n1', 'memory')}`], '--to takes fs, level'],
      [['--from', fs, '--to', fs], 'are the same'],
      [['--from', fs, '--to', `level:${place('n2', 'level')}`], '--to must be level:'],
      [['--from', `fs:${cluster.data}`, '--to', level], 'is no node'],
      [['--from', level, '--to', fs], `that is in ${fs}, or lost`],
    ] as const) {
      const { code, output } = await cluster.run(['migrate', ...args]).ended;
      expect([code, output]).toEqual([2, expect.stringContaining(text)]);
      expect(output.split('\n')).toHaveLength(2);
    }
    // Nothing was made where nothing was.
    expect(existsSync(place('n1', 'level'))).toBe(false);
    expect((await cluster.run(['migrate', '--help']).ended).output).toContain('--from');
  });
});

describe('nodes with different stores', () => {
  it('a node that kept its data in memory stays out when it is started again, and the demo says so', async () => {
    const demo = await cluster.start('--storage', 'fs,memory,level', '--transport', 'http');
    expect(demo.output).toContain('n2 cannot be started again');
    const load = new Load(cluster, 4, 'mixed');
    await eventually('200 acknowledged writes', () => load.acknowledged.size >= 200, 60_000);
    const { pid } = (await cluster.status('n2')) as NodeStatus;
    process.kill(pid, 'SIGKILL');
    await eventually('n2 is gone', async () => (await cluster.status('n2')) === undefined);
    const { code, output } = await cluster.run(['node', '--id', 'n2', '--data', cluster.data]).ended;
    expect([code, output]).toEqual([5, expect.stringContaining('it kept its log in memory')]);
    const before = load.acknowledged.size;
    await eventually('the others go on', () => load.acknowledged.size >= before + 100, 60_000);
    await load.stop();
    expect(await load.missing()).toEqual([]);
  });

  it('bad flags are told, and so is another store than the one that the cluster has', async () => {
    for (const [args, text] of [
      [['--storage', 'tape'], '--storage takes fs, level, memory'],
      [['--storage', 'fs,level'], 'names 2 stores for 3 nodes'],
      [['--transport', 'pigeon'], '--transport takes ws, http'],
    ] as const) {
      const { code, output } = await cluster.run(['demo', '--data', join(cluster.data, 'x'), ...args]).ended;
      expect([code, output]).toEqual([2, expect.stringContaining(text)]);
    }
    const demo = await cluster.start();
    demo.process.kill('SIGTERM');
    await demo.ended;
    for (const [args, text] of [
      [['--storage', 'level'], 'holds a cluster with --storage fs,fs,fs'],
      [['--transport', 'http'], 'holds a cluster with --transport ws'],
    ] as const) {
      const { code, output } = await cluster.run(['demo', '--data', cluster.data, ...args]).ended;
      expect([code, output]).toEqual([2, expect.stringContaining(text)]);
    }
  });
});
