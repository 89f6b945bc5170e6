// Shows that the nodes of a demo authenticate each other with certificates or shared secrets, through
// a crash and a change of the certificates.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
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

/** Connects to the peer port of a node as n1, and resolves with the fingerprint of the node's certificate. */
async function fingerprintOf(id: string): Promise<string> {
  const read = (file: string): Buffer => readFileSync(join(cluster.data, 'tls', file));
  const port = Number(new URL(cluster.url(id)).port) + cluster.size;
  const socket = connect({ port, cert: read('n1.pem'), key: read('n1.key'), rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerCertificate().fingerprint256;
  } finally {
    socket.destroy();
  }
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
  const renewed = new X509Certificate(readFileSync(path)).fingerprint256;
  expect(await fingerprintOf('n2')).not.toBe(renewed);
  const n2 = (await cluster.status('n2')) as NodeStatus;
  process.kill(n2.pid, 'SIGHUP');
  await eventually('n2 uses its new certificate', async () => (await fingerprintOf('n2')) === renewed);
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
  ['a file without a secret', ['--secret', '/dev/null'], /KONTIKI_BAD_OPTION/],
])('demo refuses %s and creates nothing', async (_, flags, message) => {
  const { code, output } = await cluster.run(['demo', '--data', join(cluster.data, 'new'), ...flags]).result;
  expect(code).toBeGreaterThan(0);
  expect(output).toMatch(message);
  expect(existsSync(join(cluster.data, 'new'))).toBe(false);
});

it('a cluster with tokens serves only clients that send them', async () => {
  const [token, admin] = [join(cluster.data, 'token'), join(cluster.data, 'admin')];
  writeFileSync(token, 'a-token-for-clients\n');
  writeFileSync(admin, 'a-token-for-operators\n');
  const demo = await cluster.start('--token-file', token, '--admin-token-file', admin);
  expect(demo.output).toContain(`curl -H "Authorization: Bearer $(cat ${token})" -L -X PUT`);
  await succeeds('put', 'greeting', 'hello', '--token-file', token);
  expect(await succeeds('get', 'greeting', '--token-file', token)).toBe('hello');
  expect(await succeeds('status', '--token-file', token)).toContain('role leader');
  await succeeds('snapshot', 'take', '--token-file', admin);
  for (const args of [
    ['get', 'greeting'],
    ['snapshot', 'take'],
    ['snapshot', 'take', '--token-file', token],
  ]) {
    const { code, output } = await command(...args).result;
    expect([code, output]).toEqual([1, expect.stringMatching(/needs the (admin )?token of the node/)]);
  }
  const response = await fetch(`${cluster.url('n1')}/status`);
  expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  expect((await fetch(`${cluster.url('n1')}/health`)).status).toBe(200);
  for (const { output } of cluster.programs) expect(output).not.toContain('a-token-for');
});
