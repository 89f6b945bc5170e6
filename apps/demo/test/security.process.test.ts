// Shows that the nodes of a demo authenticate each other with certificates or shared secrets, through
// a crash and a change of the certificates.
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DemoCluster, eventually, type NodeStatus, type Program } from './cluster.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

const command = (...args: string[]): Program => cluster.run([...args, '--data', cluster.data]);

async function succeeds(...args: string[]): Promise<string> {
  const { code, output } = await (args[0] === 'secret' ? cluster.run(args) : command(...args)).result;
  expect(code, output).toBe(0);
  return output;
}

/** Kills the leader, restarts it with the same flags, and expects that writes go on meanwhile. */
async function expectFailover(...flags: string[]): Promise<void> {
  const { id, pid } = (await cluster.leader()) as NodeStatus;
  process.kill(pid, 'SIGKILL');
  await succeeds('put', 'after', 'kill');
  const node = command('node', '--id', id, ...flags);
  await eventually('the restarted node has caught up', () => cluster.caughtUp(id));
  expect(await succeeds('get', 'after')).toBe('kill');
  expect(node.output).not.toMatch(/refused|cannot connect/);
}

it('demo --tls creates certificates, and the cluster survives a crash and new certificates', async () => {
  const demo = await cluster.start('--tls');
  for (const file of ['authority.key', 'n1.key', 'n3.pem'])
    expect(statSync(join(cluster.data, 'tls', file)).mode & 0o777).toBe(0o600);
  await succeeds('put', 'before', 'kill');
  await expectFailover();
  const path = join(cluster.data, 'tls', 'n2.pem');
  const before = readFileSync(path, 'utf8');
  expect(await succeeds('cert', '--id', 'n2')).toBe(`${path}\n${join(cluster.data, 'tls', 'n2.key')}\n`);
  expect(readFileSync(path, 'utf8')).not.toBe(before);
  const n2 = (await cluster.status('n2')) as NodeStatus;
  process.kill(n2.pid, 'SIGHUP');
  await eventually('n2 reads its certificate again', () =>
    cluster.programs.some(({ output }) => output.includes('read the certificate or the secrets again')),
  );
  await succeeds('cert', '--id', 'n4');
  expect(existsSync(join(cluster.data, 'tls', 'n4.pem'))).toBe(true);
  expect(demo.output).not.toContain('PRIVATE KEY');
});

it('demo --secret uses the secrets in a file and prints none of them', async () => {
  const secret = await succeeds('secret');
  const file = join(cluster.data, 'secrets');
  writeFileSync(file, secret, { mode: 0o600 });
  await cluster.start('--secret', file);
  await succeeds('put', 'before', 'kill');
  await expectFailover('--secret', file);
  for (const { output } of cluster.programs.slice(1)) expect(output).not.toContain(secret.trim());
});

it.each([
  ['--tls with --secret', ['--tls', '--secret', 'x'], /either --tls or --secret/],
  ['a missing file', ['--secret', '/does/not/exist'], /Cannot read --secret/],
])('demo refuses %s and creates nothing', async (_, flags, message) => {
  const { code, output } = await cluster.run(['demo', '--data', join(cluster.data, 'new'), ...flags]).result;
  expect(code).toBeGreaterThan(0);
  expect(output).toMatch(message);
  expect(existsSync(join(cluster.data, 'new'))).toBe(false);
});
