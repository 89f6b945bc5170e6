// Shows that a running cluster of processes grows, transfers its leadership and shrinks under load,
// with TLS. Also shows the errors that an operator sees after an impossible request.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DemoCluster, eventually, type NodeStatus, type Program } from './cluster.js';
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
  expect(load.failed).toEqual([]);
  const { id } = (await cluster.leader()) as NodeStatus;
  expect(['n2', 'n3']).toContain(id);
  expect(await load.missing(id)).toEqual([]);
  console.log(
    `members: acknowledged ${load.acknowledged.size}, retries ${load.retries} while a node joined, led and left`,
  );
});

it('a node without the secret does not join, and a removed node does not start', async () => {
  const secrets = join(cluster.data, '..', `secrets-${cluster.port}`);
  writeFileSync(secrets, (await cluster.run(['secret']).result).output);
  const demo = await cluster.start('--secret', secrets);
  const file = join(cluster.data, 'cluster.json');
  const before = readFileSync(file, 'utf8');
  expect((await cluster.run(['node', '--join', '--data', cluster.data]).result).output).toContain('--secret FILE');
  expect(readFileSync(file, 'utf8')).toBe(before);
  expect(await member('remove', 'n1')).not.toContain('n1');
  const { code, output } = await cluster.run(['node', '--id', 'n1', '--data', cluster.data, '--secret', secrets])
    .result;
  expect([code, output]).toEqual([1, expect.stringContaining('n1 was removed from the cluster')]);
  demo.process.kill('SIGTERM');
  await demo.result;
  const again = await cluster.start('--secret', secrets);
  expect(again.output).not.toContain('n1 |');
  expect((await cluster.run(['status', '--data', cluster.data]).result).output).not.toContain('n1');
  rmSync(secrets);
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
    [['reconcile', 'nowhere.json'], 'nowhere.json cannot be read: ENOENT'],
    [['reconcile', '{"n1": }'], 'MEMBERS cannot be read'],
    [['reconcile', '{}'], 'desired must have at least one voter'],
    [['reconcile', '{"n1":{"addres":"ws://x:1"}}'], 'no field "addres" in desired.n1'],
    [['remove', 'n1', '--dry-run'], 'There is no flag --dry-run'],
  ] as const) {
    const { code, output } = await cluster.run(['member', ...args, '--data', cluster.data]).result;
    expect([code, output], args.join(' ')).toEqual([expect.any(Number), expect.stringContaining(sentence)]);
    expect(code, args.join(' ')).toBeGreaterThan(0);
    expect(output.trim().split('\n'), args.join(' ')).toHaveLength(1);
  }
});

it('reconcile prints the steps, and takes them unless it is a dry run', async () => {
  await cluster.start();
  const address = (id: string): string => `ws://127.0.0.1:${cluster.port + cluster.size + Number(id.slice(1)) - 1}`;
  const all = Object.fromEntries(cluster.ids.map((id) => [id, address(id)]));
  const before = await member('list');
  const desired = JSON.stringify({ ...all, n3: { address: address('n3'), learner: true } });
  expect(await member('reconcile', desired, '--dry-run')).toMatch(/^demote n3\nNothing was changed\./);
  expect(await member('list')).toBe(before);
  expect(await member('reconcile', desired)).toMatch(/^demote n3\n[^]*n3 {2}learner/);
  const file = join(cluster.data, 'members.json');
  writeFileSync(file, JSON.stringify(all));
  expect(await member('reconcile', file)).toMatch(/^promote n3\n[^]*n3 {2}voter/);
  expect(await member('reconcile', file)).toMatch(/^The cluster has these members already\.\n/);
  // A change that names only the address keeps the metadata, which contains the URL for redirects.
  const { body } = await cluster.http.send(cluster.url('n1'), { method: 'GET', path: '/status' }, 5_000);
  expect(JSON.parse(body.toString())).toMatchObject({ members: { n3: cluster.url('n3') } });
});

it('a node that lost its disk rejoins under its id and is a voter again', async () => {
  await cluster.start();
  const node = (...args: string[]): Program => cluster.run(['node', '--id', 'n2', ...args, '--data', cluster.data]);
  const listens = (program: Program): Promise<unknown> =>
    eventually('n2 listens', () => program.output.includes('listening on'));
  process.kill(((await cluster.status('n2')) as NodeStatus).pid, 'SIGKILL');
  await eventually('another node leads', async () => (await cluster.leader()) !== undefined);
  rmSync(join(cluster.data, 'n2'), { recursive: true });
  expect(await node().result).toMatchObject({ code: 5, output: expect.stringContaining('start n2 with --new-disk') });

  const blank = node('--new-disk');
  await listens(blank);
  const [, command] = /kontiki-demo member (replace n2 n2 \S+) --data/.exec(blank.output) as unknown as [
    string,
    string,
  ];
  expect(await member(...command.split(' '))).toMatch(/n2 {2}voter/);
  blank.process.kill('SIGTERM');
  await blank.result;
  expect(await node('--new-disk').result).toMatchObject({
    code: 2,
    output: expect.stringContaining('so its disk is not new'),
  });
  await listens(node());
  // From now on, no majority is possible without n2.
  process.kill(((await cluster.status('n3')) as NodeStatus).pid, 'SIGKILL');
  expect(await cluster.run(['put', 'a', '1', '--data', cluster.data]).result).toMatchObject({ code: 0 });
});
