// Shows that a running cluster of processes grows, hands over and shrinks under load, with TLS, and
// what an operator gets who asks for something impossible.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DemoCluster, eventually, type NodeStatus } from './cluster.js';
import { Load } from './load.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

const member = async (...args: string[]): Promise<string> =>
  (await cluster.run(['member', ...args, '--data', cluster.data]).result).output;

it('a node joins, leads and is removed under load, and no acknowledged write is lost', async () => {
  await cluster.start('--tls');
  const load = new Load(cluster, 4, 'members');
  const written = (count: number): Promise<number> =>
    eventually(`${count} acknowledged writes`, () => load.acknowledged.size >= count, 60_000);
  await written(100);
  const joined = cluster.run(['node', '--join', '--data', cluster.data]);
  await eventually('n4 is a voter', () => joined.output.includes('n4 is a voter now'));
  await written(load.acknowledged.size + 100);
  expect(await member('transfer', 'n4')).toMatch(/n4 {2}voter .* leads/);
  await written(load.acknowledged.size + 100);
  expect(await member('remove', 'n4')).not.toContain('n4');
  expect(await member('remove', 'n1')).not.toContain('n1');
  await written(load.acknowledged.size + 100);
  await load.stop();
  const { id } = (await cluster.leader()) as NodeStatus;
  expect(['n2', 'n3']).toContain(id);
  expect(await load.missing(id)).toEqual([]);
  console.log(
    `members: acknowledged ${load.acknowledged.size}, unknown ${load.unknown}, refused ${load.refused} while a node joined, led and left`,
  );
});

it('impossible changes are refused with one sentence', async () => {
  await cluster.start();
  for (const [args, sentence] of [
    [['remove', 'n9'], 'n9 is not a member'],
    [['add', 'n2', 'ws://127.0.0.1:1'], 'n2 is a voter already'],
    [['promote', 'n2'], 'n2 is a voter already'],
    [['transfer', 'n9'], 'n9 cannot take over'],
    [['add', 'n5', 'not-an-address'], 'not-an-address'],
    [['remvoe', 'n1'], 'Did you mean remove?'],
    [['remove'], 'ID is missing'],
  ] as const) {
    const { code, output } = await cluster.run(['member', ...args, '--data', cluster.data]).result;
    expect([code, output], args.join(' ')).toEqual([expect.any(Number), expect.stringContaining(sentence)]);
    expect(code, args.join(' ')).toBeGreaterThan(0);
    expect(output.trim().split('\n'), args.join(' ')).toHaveLength(1);
  }
});
