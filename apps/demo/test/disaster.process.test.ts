// Shows how an operator recovers a cluster that has lost its majority, and how a backup becomes a
// new cluster. Real processes run the commands exactly as the guide shows them.
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ClusterFile, DemoNode } from '../src/cluster/cluster-file.js';
import { DemoCluster, eventually, freePorts, type NodeStatus, type Program } from './cluster.js';
import { Load } from './load.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

async function run(...args: string[]): Promise<[number | null, string]> {
  const { code, output } = await cluster.run(args).result;
  return [code, output];
}

/** Returns the value that a key currently has on a node. */
async function valueOf(port: number, key: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/kv/${key}?consistency=local`)).text();
}

/** Starts a node and waits until it serves clients. */
async function startNode(...args: string[]): Promise<Program> {
  const program = cluster.run(['node', ...args]);
  await eventually(`${args.join(' ')} listens`, () => {
    if (!program.alive) throw new Error(program.output);
    return program.output.includes('listening on');
  });
  return program;
}

it('a cluster that lost its majority is recovered with every acknowledged write', async () => {
  const { data } = cluster;
  const demo = await cluster.start('--snapshot-entries', '150');
  const load = new Load(cluster, 8, 'recover');
  await eventually('400 acknowledged writes', () => load.acknowledged.size >= 400, 60_000);
  const leader = (await cluster.leader()) as NodeStatus;
  const followers = cluster.ids.filter((id) => id !== leader.id);
  for (const id of followers) process.kill(((await cluster.status(id)) as NodeStatus).pid, 'SIGKILL');
  await eventually('the leader has noticed', async () => (await cluster.status(leader.id))?.role !== 'leader');
  await load.stop();
  const [running, refusal] = await run('recover', '--data', data);
  expect([running, refusal]).toEqual([1, expect.stringContaining(`${leader.id} must be stopped first`)]);
  process.kill(leader.pid, 'SIGKILL');
  await demo.result;

  // The disk of one follower is lost. The disk of the other follower returns later, on another
  // machine.
  const [lost, returning] = followers as [string, string];
  const elsewhere = join(data, 'elsewhere');
  for (const name of ['cluster.json', returning]) cpSync(join(data, name), join(elsewhere, name), { recursive: true });
  for (const id of followers) rmSync(join(data, id), { recursive: true });

  const [code, plan] = await run('recover', '--data', data);
  expect(code).toBe(0);
  expect(plan).toMatch(new RegExp(`^${leader.id} +voter +\\d+ of term \\d+ +\\d+ +\\d+ +n1, n2, n3$`, 'm'));
  expect(plan).toMatch(new RegExp(`^${lost} +there is no folder `, 'm'));
  expect(plan).toContain(`${leader.id} has the newest log.`);
  expect(plan).toContain(`because their data is missing: ${followers.join(', ')}.`);
  expect(plan).toContain(`Nothing was changed. To recover ${leader.id}:`);
  expect(plan).toContain(`recover --data ${data} --yes`);
  const [recovered, told] = await run('recover', '--data', data, '--yes');
  expect([recovered, told]).toEqual([0, expect.stringMatching(/is the only member .* with epoch [0-9a-f]{32}/)]);
  const [again, sentence] = await run('recover', '--data', data, '--yes');
  expect([again, sentence]).toEqual([1, expect.stringContaining('can still decide together')]);

  const survivor = await startNode('--id', leader.id, '--data', data);
  for (const id of ['n4', 'n5']) {
    const joining = await startNode('--join', '--data', data);
    await eventually(`${id} is a voter`, () => joining.output.includes(`${id} is a voter now`));
  }
  // Read from the node itself, because any of the three nodes may be the leader on a busy machine.
  expect(await load.missing(leader.id)).toEqual([]);
  const nodes = (JSON.parse(readFileSync(join(data, 'cluster.json'), 'utf8')) as ClusterFile).nodes;
  const { port } = nodes.find(({ id }) => id === 'n5') as DemoNode;
  for (const key of load.acknowledged)
    await eventually(`n5 has ${key}`, async () => (await valueOf(port, key)) === key);
  const [, list] = await run('member', 'list', '--data', data);
  const listed = list.trim().split('\n');
  expect(new Set(listed.map((line) => line.split(' ')[0]).filter((word) => word !== 'feature'))).toEqual(
    new Set([leader.id, 'n4', 'n5']),
  );

  const old = await startNode('--id', returning, '--data', elsewhere);
  await eventually('both sides say what to do', () => {
    const atOld = 'it refuses: a recovery of the cluster left one of the two behind: empty it, let it join';
    const atSurvivor = `${returning} was left behind when the cluster of ${leader.id} was recovered. Stop ${returning}, empty it`;
    return old.output.includes(atOld) && survivor.output.includes(atSurvivor);
  });
  expect(await run('node', '--id', returning, '--data', data)).toEqual([
    1,
    expect.stringContaining(`${returning} was left behind when the cluster was recovered, so it does not start`),
  ]);
  expect(await load.missing(leader.id)).toEqual([]);
  console.log(`recovery: acknowledged ${load.acknowledged.size}, none lost`);
});

it('a backup is taken, checked and restored as a new cluster with the same values', async () => {
  const { data } = cluster;
  await cluster.start('--snapshot-entries', '100');
  const load = new Load(cluster, 4, 'backup');
  await eventually('200 acknowledged writes', () => load.acknowledged.size >= 200, 60_000);
  await load.stop();
  const file = join(data, 'backup');
  const { id } = (await cluster.leader()) as NodeStatus;
  expect((await run('snapshot', 'take', '--url', cluster.url(id)))[0]).toBe(0);
  expect((await run('snapshot', 'save', file, '--url', cluster.url(id)))[0]).toBe(0);
  expect(await run('snapshot', 'inspect', file)).toEqual([0, expect.stringContaining('all checksums match')]);

  const restored = join(data, 'restored');
  const port = await freePorts(4);
  const flags = ['--port', `${port}`, '--peer-port', `${port + 2}`];
  const damaged = join(data, 'damaged');
  const bytes = readFileSync(file);
  writeFileSync(damaged, bytes.with(bytes.length - 100, bytes.at(-100)! ^ 1));
  for (const [args, code, text] of [
    [['--from', damaged, '--data', restored], 1, 'KONTIKI_CORRUPT'],
    [['--from', join(data, 'nowhere'), '--data', restored], 1, 'Cannot read'],
    [['--from', file, '--data', data], 1, 'has a cluster, which was not changed'],
    [['--data', restored], 2, '--from FILE is missing'],
    [['--from', file, '--storage', 'memory'], 2, '--storage must be one of fs, level'],
  ] as const)
    expect(await run('restore', ...args, ...flags), text).toEqual([code, expect.stringContaining(text)]);
  expect(existsSync(restored)).toBe(false);

  expect(await run('restore', '--from', file, '--data', restored, '--storage', 'level', ...flags)).toEqual([
    0,
    expect.stringContaining(`node --id n1 --data ${restored}`),
  ]);

  // Simulate that the command was killed before its last step.
  const path = join(restored, 'cluster.json');
  const written = JSON.parse(readFileSync(path, 'utf8')) as { cluster: string };
  const [, saved] = /^snapshot +([0-9a-f]{32})$/m.exec((await run('snapshot', 'inspect', file))[1]) ?? [];
  writeFileSync(path, JSON.stringify({ ...written, bootstrapped: false, restoring: saved }));
  expect(await run('demo', '--data', restored)).toEqual([1, expect.stringContaining('was interrupted. Finish it')]);
  expect((await run('restore', '--from', file, '--data', restored))[0]).toBe(0);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(written);

  await startNode('--id', 'n1', '--data', restored);
  const joining = await startNode('--join', '--data', restored);
  await eventually('n2 is a voter', () => joining.output.includes('n2 is a voter now'));
  for (const key of load.acknowledged) expect(await valueOf(port, key)).toBe(key);
  expect(readFileSync(join(data, 'cluster.json'), 'utf8')).not.toContain(written.cluster);
});
