// Shows that a cluster of real processes survives kill -9 and SIGSTOP without losing acknowledged
// writes. Each test applies load, injects a fault, and then reads back the acknowledged writes.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkHistory, register } from '@kontiki/testing';
import { DemoCluster, eventually, isAlive, type NodeStatus } from './cluster.js';
import { Load } from './load.js';
import { Recorder } from './recorder.js';

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
  const figures = { acknowledged: load.acknowledged.size, retries: load.retries, ...times };
  console.log(
    `${name}: ${Object.entries(figures)
      .map(([label, value]) => `${label} ${value}`)
      .join(', ')}`,
  );
  expect(load.failed).toEqual([]);
}

/** `FAULTS_ALL=1` also kills nodes on LevelDB over HTTP, which takes a minute longer. */
const STACKS = [
  ['fs,level,fs', 'ws'],
  ['level', 'http'],
] as const;

// The other combinations of stores and transports are tested in one process, in matrix.test.ts.
describe.each(process.env['FAULTS_ALL'] === '1' ? STACKS : STACKS.slice(0, 1))(
  'a cluster of real processes on %s over %s',
  (storage, transport) => {
    const flags = ['--storage', storage, '--transport', transport];

    it('a leader killed under load is replaced, and catches up after its restart', async () => {
      await cluster.start(...flags);
      const load = new Load(cluster, WRITERS, 'kill');
      await acknowledged(load, BEFORE);
      const killed = (await cluster.leader()) as NodeStatus;
      process.kill(killed.pid, 'SIGKILL');
      const before = load.acknowledged.size;
      const election = await eventually(
        'another node leads',
        async () => ((await cluster.leader(killed.id))?.term ?? 0) > killed.term,
      );
      await acknowledged(load, before + AFTER);
      cluster.run(['node', '--id', killed.id, '--data', cluster.data]);
      const catchUp = await eventually('the killed node has caught up', () => cluster.caughtUp(killed.id));
      await load.stop();
      expect(await load.missing()).toEqual([]);
      await eventually('the killed node has caught up with the end of the load', () => cluster.caughtUp(killed.id));
      expect(await load.missing(killed.id)).toEqual([]);
      report(`${storage} over ${transport}, kill -9 of the leader`, load, {
        'new leader after ms': election,
        'caught up after ms': catchUp,
      });
    });

    it('every acknowledged write survives kill -9 of all nodes', async () => {
      const demo = await cluster.start(...flags);
      const load = new Load(cluster, WRITERS, 'all');
      await acknowledged(load, BEFORE);
      for (const pid of await cluster.pids()) process.kill(pid, 'SIGKILL');
      await demo.result;
      const before = load.acknowledged.size;
      const start = performance.now();
      await cluster.start();
      const restart = Math.round(performance.now() - start);
      await acknowledged(load, before + AFTER);
      await load.stop();
      expect(await load.missing()).toEqual([]);
      report(`${storage} over ${transport}, kill -9 of all`, load, { 'leads again after ms': restart });
    });
  },
);

describe('a cluster of real processes under faults', () => {
  it('a leader stopped for three seconds is replaced and becomes a follower', async () => {
    await cluster.start();
    const load = new Load(cluster, WRITERS, 'stop');
    await acknowledged(load, BEFORE);
    const stopped = (await cluster.leader()) as NodeStatus;
    process.kill(stopped.pid, 'SIGSTOP');
    const start = performance.now();
    const before = load.acknowledged.size;
    const election = await eventually(
      'another node leads',
      async () => ((await cluster.leader(stopped.id))?.term ?? 0) > stopped.term,
    );
    await acknowledged(load, before + AFTER);
    await eventually('three seconds have passed', () => performance.now() - start > 3_000);
    process.kill(stopped.pid, 'SIGCONT');
    const follows = await eventually(
      'the stopped node follows',
      async () => (await cluster.status(stopped.id))?.role === 'follower',
    );
    await load.stop();
    await eventually('the stopped node has caught up', () => cluster.caughtUp(stopped.id));
    expect(await load.missing()).toEqual([]);
    expect(await load.missing(stopped.id)).toEqual([]);
    report('SIGSTOP of the leader', load, { 'new leader after ms': election, 'follows after ms': follows });
  });

  it('a cluster is linearizable while leaders are killed and stopped', async () => {
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
    await eventually('another node leads', async () => (await cluster.leader(stopped.id)) !== undefined);
    // Expect only a few operations, because clients of the stopped node wait until they time out.
    await recorded(recorder.history.length + 20);
    process.kill(stopped.pid, 'SIGCONT');
    await recorded(recorder.history.length + 1_000);
    await recorder.stop();
    const { history } = recorder;
    expect(checkHistory(register, history)).toEqual([]);
    // The checker must detect a wrong reply. Keys are never deleted, so a read after a completed
    // write cannot find the key absent.
    const read = history.findLastIndex(
      ({ key, call, input }) =>
        input.type === 'read' &&
        history.some((write) => write.key === key && write.input.type === 'write' && (write.end ?? call) < call),
    );
    const falsified = history.with(read, { ...history[read]!, input: { type: 'read', value: null } });
    expect(checkHistory(register, falsified).map(({ key }) => key)).toEqual([history[read]?.key]);
    const unknown = history.filter(({ end }) => end === null).length;
    console.log(
      `a history of ${history.length} operations on ${new Set(history.map(({ key }) => key)).size} keys, ${unknown} unknown: linearizable`,
    );
  });

  it('all nodes exit when the demo process is killed with kill -9', async () => {
    const demo = await cluster.start();
    const pids = await cluster.pids();
    expect(pids).toHaveLength(3);
    demo.process.kill('SIGKILL');
    const gone = await eventually('all nodes have exited', () => !pids.some(isAlive));
    console.log(`kill -9 of the demo: its nodes had exited after ${gone} ms`);
  });
});
