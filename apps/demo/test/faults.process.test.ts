import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkHistory, register } from '@kontiki/testing';
import { DemoCluster, eventually, isAlive, type NodeStatus } from './cluster.js';
import { Load } from './load.js';
import { Recorder } from './recorder.js';

/** Real processes, sockets and disks; each test waits for conditions and prints what it measured. */
let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

const BEFORE = 1_000;
const AFTER = 100;
const WRITERS = 6;

async function acknowledged(load: Load, count: number): Promise<void> {
  await eventually(`${count} acknowledged writes`, () => load.acknowledged.size >= count, 60_000);
}

function report(name: string, load: Load, times: Record<string, number>): void {
  const figures = { acknowledged: load.acknowledged.size, unknown: load.unknown, refused: load.refused, ...times };
  console.log(
    `${name}: ${Object.entries(figures)
      .map(([what, value]) => `${what} ${value}`)
      .join(', ')}`,
  );
  expect(load.unknown * 50).toBeLessThan(load.acknowledged.size);
}

describe.each([
  ['fs', 'ws'],
  ['fs', 'http'],
  ['level', 'ws'],
  ['level', 'http'],
  ['fs,level,fs', 'ws'],
])('a cluster of real processes on %s over %s', (storage, transport) => {
  const flags = ['--storage', storage, '--transport', transport];

  it('goes on when its leader is killed with kill -9 under load; the restarted one catches up', async () => {
    await cluster.start(...flags);
    const load = new Load(cluster, WRITERS, 'kill');
    await acknowledged(load, BEFORE);
    const killed = (await cluster.leader()) as NodeStatus;
    process.kill(killed.pid, 'SIGKILL');
    const before = load.acknowledged.size;
    const election = await eventually(
      'another leads',
      async () => ((await cluster.leader(killed.id))?.term ?? 0) > killed.term,
    );
    await acknowledged(load, before + AFTER);
    cluster.run(['node', '--id', killed.id, '--data', cluster.data]);
    const catchUp = await eventually('the killed node has caught up', () => cluster.caughtUp(killed.id));
    await load.stop();
    expect(await load.missing()).toEqual([]);
    await eventually('it holds them too', () => cluster.caughtUp(killed.id));
    expect(await load.missing(killed.id)).toEqual([]);
    report(`${storage} over ${transport}, kill -9 of the leader`, load, {
      'new leader after ms': election,
      'caught up after ms': catchUp,
    });
  });

  it('has every acknowledged write when all nodes were killed with kill -9 and started again', async () => {
    const demo = await cluster.start(...flags);
    const load = new Load(cluster, WRITERS, 'all');
    await acknowledged(load, BEFORE);
    for (const pid of await cluster.pids()) process.kill(pid, 'SIGKILL');
    await demo.ended;
    const before = load.acknowledged.size;
    const begin = performance.now();
    await cluster.start();
    const restart = Math.round(performance.now() - begin);
    await acknowledged(load, before + AFTER);
    await load.stop();
    expect(await load.missing()).toEqual([]);
    report(`${storage} over ${transport}, kill -9 of all`, load, { 'leads again after ms': restart });
  });
});

describe('a cluster of real processes', () => {
  it('goes on while its leader is stopped for three seconds, which then follows', async () => {
    await cluster.start();
    const load = new Load(cluster, WRITERS, 'stop');
    await acknowledged(load, BEFORE);
    const stopped = (await cluster.leader()) as NodeStatus;
    process.kill(stopped.pid, 'SIGSTOP');
    const begin = performance.now();
    const before = load.acknowledged.size;
    const election = await eventually(
      'another leads',
      async () => ((await cluster.leader(stopped.id))?.term ?? 0) > stopped.term,
    );
    await acknowledged(load, before + AFTER);
    await eventually('three seconds have passed', () => performance.now() - begin > 3_000);
    process.kill(stopped.pid, 'SIGCONT');
    const follows = await eventually('it follows', async () => (await cluster.status(stopped.id))?.role === 'follower');
    await load.stop();
    await eventually('it has caught up', () => cluster.caughtUp(stopped.id));
    expect(await load.missing()).toEqual([]);
    expect(await load.missing(stopped.id)).toEqual([]);
    report('SIGSTOP of the leader', load, { 'new leader after ms': election, 'follows after ms': follows });
  });

  it('is linearizable while leaders are killed and stopped, and a reply that is made up is noticed', async () => {
    await cluster.start();
    const recorder = new Recorder(cluster, 8);
    const recorded = (count: number): Promise<number> =>
      eventually(`${count} operations`, () => recorder.history.length >= count, 60_000);
    await recorded(1_000);
    const killed = (await cluster.leader()) as NodeStatus;
    process.kill(killed.pid, 'SIGKILL');
    await recorded(2_500);
    cluster.run(['node', '--id', killed.id, '--data', cluster.data]);
    await eventually('the killed node has caught up', () => cluster.caughtUp(killed.id));
    const stopped = (await cluster.leader()) as NodeStatus;
    process.kill(stopped.pid, 'SIGSTOP');
    await eventually('another leads', async () => (await cluster.leader(stopped.id)) !== undefined);
    // Whoever asks the stopped one waits for long.
    await recorded(recorder.history.length + 20);
    process.kill(stopped.pid, 'SIGCONT');
    await recorded(recorder.history.length + 1_000);
    await recorder.stop();
    const { history } = recorder;
    expect(checkHistory(register, history)).toEqual([]);
    // Nothing is ever deleted: behind a write that has ended nobody finds the key absent.
    const read = history.findLastIndex(
      ({ key, call, input }) =>
        input.type === 'read' &&
        history.some((other) => other.key === key && other.input.type === 'write' && (other.end ?? call) < call),
    );
    const falsified = history.with(read, { ...history[read]!, input: { type: 'read', value: null } });
    expect(checkHistory(register, falsified).map(({ key }) => key)).toEqual([history[read]?.key]);
    const unknown = history.filter(({ end }) => end === null).length;
    console.log(
      `a history of ${history.length} operations on ${new Set(history.map(({ key }) => key)).size} keys, ${unknown} unknown: linearizable`,
    );
  });

  it('leaves no process behind when the demo itself is killed with kill -9', async () => {
    const demo = await cluster.start();
    const pids = await cluster.pids();
    expect(pids).toHaveLength(3);
    demo.process.kill('SIGKILL');
    const gone = await eventually('all nodes have ended', () => !pids.some(isAlive));
    console.log(`kill -9 of the demo: its nodes had ended after ${gone} ms`);
  });
});
