// Shows that a cluster can be upgraded node by node under load, from the version before feature
// levels. A node can be rolled back until the level is raised. Also shows what happens to a node
// that is rolled back afterwards.
import { LEVEL } from '@kontiki/core/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { DemoCluster, eventually, MAIN, type NodeStatus, type Program, type ProcessResult } from './cluster.js';
import { Load } from './load.js';
import { installOldVersion, type OldVersion } from './old-version.js';

let old: OldVersion | string;
beforeAll(() => {
  old = installOldVersion();
});
afterAll(() => {
  if (typeof old !== 'string') old.remove();
});

let cluster: DemoCluster;
let nodes: Map<string, Program>;
beforeEach(async () => {
  cluster = await DemoCluster.create();
  nodes = new Map();
});
afterEach(() => cluster.remove());

function start(id: string, main: string): Program {
  const program = cluster.run(['node', '--id', id, '--data', cluster.data], undefined, main);
  nodes.set(id, program);
  return program;
}

/** Creates a cluster with the old version, and starts its nodes. */
async function startOld(main: string, ...flags: string[]): Promise<void> {
  const ports = ['--port', `${cluster.port}`, '--peer-port', `${cluster.port + cluster.size}`];
  const demo = cluster.run(['demo', '--data', cluster.data, ...ports, ...flags], undefined, main);
  await eventually('the demo of the old version prints which node leads', () => demo.output.includes(' leads. Try'));
  demo.process.kill('SIGTERM');
  await demo.result;
  for (const id of cluster.ids) start(id, main);
  await eventually('the old nodes have a leader', async () => (await cluster.leader()) !== undefined);
}

/** Restarts a node with another version. */
async function replaceVersion(id: string, main: string): Promise<Program> {
  const program = nodes.get(id) as Program;
  program.process.kill('SIGTERM');
  await program.result;
  return start(id, main);
}

/** Restarts a node with another version under load, and waits until it has caught up. */
async function restart(id: string, main: string, load: Load): Promise<void> {
  await replaceVersion(id, main);
  await eventually(`${id} has caught up`, () => cluster.caughtUp(id));
  const goal = load.acknowledged.size + 50;
  await eventually(`${goal} acknowledged writes`, () => load.acknowledged.size >= goal, 60_000);
}

function raise(): Promise<ProcessResult> {
  return cluster.run(['member', 'raise', '--data', cluster.data]).result;
}

const levels = (): Promise<unknown[]> => Promise.all(cluster.ids.map(async (id) => (await cluster.status(id))?.level));

/** Checks that no node has received a message or data that it cannot read. */
function expectReadable(): void {
  for (const { output } of cluster.programs)
    expect(output).not.toMatch(
      /unknown kind|this server cannot read|reads feature level|decoded|KONTIKI_(PROTOCOL|CORRUPT|FORMAT)/,
    );
}

/**
 * Upgrades all nodes under load. At the start, the leader is either the first or the last node to
 * be upgraded.
 */
async function upgrade(load: Load, leaderIs: 'first' | 'last'): Promise<void> {
  const { id: leader } = (await cluster.leader()) as NodeStatus;
  const others = cluster.ids.filter((id) => id !== leader);
  for (const id of leaderIs === 'first' ? [leader, ...others] : [...others, leader]) await restart(id, MAIN, load);
}

async function expectNothingLost(load: Load): Promise<void> {
  await load.stop();
  expect(await load.missing()).toEqual([]);
  const { acknowledged, failed, retries } = load;
  console.log(`upgrade: acknowledged ${acknowledged.size}, unknown ${failed.length}, retries ${retries}`);
}

it('nodes are upgraded one by one under load, the leader first', async ({ skip }) => {
  if (typeof old === 'string') return skip(old);
  await startOld(old.main, '--transport', 'http');
  const load = new Load(cluster, 4, 'upgrade');
  await upgrade(load, 'first');
  await expectNothingLost(load);
  expectReadable();
});

it('nodes upgraded with the leader last can be rolled back until the level is raised', async ({ skip }) => {
  if (typeof old === 'string') return skip(old);
  await startOld(old.main, '--storage', 'fs,level,fs');
  const load = new Load(cluster, 4, 'rollback');
  await upgrade(load, 'last');
  await restart('n3', old.main, load);
  expect(await raise()).toMatchObject({ code: 1, output: expect.stringContaining('n3 cannot read a higher one') });
  await restart('n3', MAIN, load);
  expectReadable();
  await eventually('the level is raised', async () => (await raise()).output.includes(`feature level ${LEVEL}`));
  await eventually('every node has the highest level', async () => (await levels()).every((level) => level === LEVEL));
  expect((await raise()).output).toContain(`${LEVEL} already, the highest that this version reads`);
  const refused = await (await replaceVersion('n3', old.main)).result;
  expect(refused.code).toBe(1);
  expect(refused.output).toMatch(/cannot be read/);
  await restart('n3', MAIN, load);
  await expectNothingLost(load);
});
