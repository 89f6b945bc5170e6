// Shows that nodes find each other again after their ports have been changed in cluster.json.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ClusterFile } from '../src/cluster/cluster-file.js';
import { DemoCluster, eventually, freePorts, type Program } from './cluster.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

const run = async (...args: string[]): Promise<string> =>
  (await cluster.run([...args, '--data', cluster.data]).result).output;

async function stop(program: Program): Promise<void> {
  program.process.kill('SIGTERM');
  await program.result;
}

/** Assigns new ports to nodes in cluster.json. Resolves with the nodes' new addresses for peers. */
async function move(...ids: readonly string[]): Promise<string[]> {
  const path = join(cluster.data, 'cluster.json');
  const file = JSON.parse(readFileSync(path, 'utf8')) as ClusterFile;
  const first = await freePorts(2 * ids.length);
  const nodes = file.nodes.map((node) => {
    const at = ids.indexOf(node.id);
    return at === -1 ? node : { ...node, port: first + at, peerPort: first + ids.length + at };
  });
  writeFileSync(path, JSON.stringify({ ...file, nodes }));
  return ids.map((_, i) => `${file.transport}://127.0.0.1:${first + ids.length + i}`);
}

async function areListed(addresses: readonly string[]): Promise<void> {
  await eventually('the members have the new addresses', async () => {
    const list = await run('member', 'list');
    return addresses.every((address) => list.includes(address));
  });
}

it.each(['ws', 'http'])('a cluster over %s keeps its data when all ports change at once', async (transport) => {
  const first = await cluster.start('--transport', transport);
  expect(await run('put', 'color', 'green')).toContain('revision');
  await stop(first);
  const addresses = await move('n1', 'n2', 'n3');
  const again = cluster.run(['demo', '--data', cluster.data]);
  await eventually('the demo prints which node leads', () => {
    if (!again.alive) throw new Error(`the demo has exited:\n${again.output}`);
    return again.output.includes(' leads. Try');
  });
  await areListed(addresses);
  expect(await run('get', 'color')).toContain('green');
  // The nodes forward requests to the new ports, too.
  const file = JSON.parse(readFileSync(join(cluster.data, 'cluster.json'), 'utf8')) as ClusterFile;
  for (const { port } of file.nodes) {
    const url = `http://127.0.0.1:${port}`;
    await eventually(`${url} reaches the leader`, async () => {
      const { code, output } = await cluster.run(['put', 'by', url, '--url', url]).result;
      return code === 0 && output !== '';
    });
  }
});

it('a node that restarts on another port is found again without a member command', async () => {
  await stop(await cluster.start());
  const start = (id: string): Program => cluster.run(['node', '--id', id, '--data', cluster.data]);
  const [, second] = ['n1', 'n2', 'n3'].map(start) as [Program, Program, Program];
  expect(await run('put', 'color', 'green')).toContain('revision');
  await stop(second);
  const addresses = await move('n2');
  start('n2');
  await areListed(addresses);
  expect(await run('member', 'transfer', 'n2')).toMatch(/n2 .* leads/);
  expect(await run('get', 'color')).toContain('green');
});
