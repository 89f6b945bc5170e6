// Shows that the nodes of a demo authenticate each other with certificates or shared secrets, even
// after a crash or a change of certificates. Also shows that clients use HTTPS and tokens.
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Authority } from '../src/cluster/authority.js';
import { DemoCluster, eventually, type NodeStatus, type Program } from './cluster.js';
import { expectCurl, printed } from './printed.js';

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

/**
 * Kills the leader, restarts it with the same flags, and checks that writes succeed in the
 * meantime.
 */
async function expectFailover(...flags: string[]): Promise<void> {
  const { id, pid } = (await cluster.leader()) as NodeStatus;
  process.kill(pid, 'SIGKILL');
  await succeeds('put', 'after', 'kill');
  const node = command('node', '--id', id, ...flags);
  await eventually('the restarted node has caught up', () => cluster.caughtUp(id));
  expect(await succeeds('get', 'after')).toBe('kill');
  expect(node.output).not.toMatch(/refused|cannot connect/);
}

/** Connects to a port of a node as n1. Resolves with the fingerprint of that node's certificate. */
async function fingerprintOf(id: string, portFor: 'peers' | 'clients'): Promise<string> {
  const read = (file: string): Buffer => readFileSync(join(cluster.data, 'tls', file));
  const port = Number(new URL(cluster.url(id)).port) + (portFor === 'peers' ? cluster.size : 0);
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
  for (const port of ['peers', 'clients'] as const) expect(await fingerprintOf('n2', port)).not.toBe(renewed);
  const n2 = (await cluster.status('n2')) as NodeStatus;
  process.kill(n2.pid, 'SIGHUP');
  for (const port of ['peers', 'clients'] as const)
    await eventually(
      `n2 uses its new certificate for ${port}`,
      async () => (await fingerprintOf('n2', port)) === renewed,
    );
  await succeeds('cert', '--id', 'n4');
  expect(existsSync(join(cluster.data, 'tls', 'n4.pem'))).toBe(true);
  expect(demo.output).not.toContain('PRIVATE KEY');
});

it('the commands printed by demo --tls with a token work as printed', async () => {
  const token = join(cluster.data, "the client's token");
  writeFileSync(token, 'a-token-for-clients\n');
  const demo = await cluster.start('--tls', '--token-file', token);
  const commands = printed(demo, '  curl');
  expect(commands[0]).toContain(`curl --cacert ${cluster.data}/tls/authority.pem -H`);
  await expectCurl(commands);
  const plain = commands[3]?.replace('https:', 'http:') as string;
  await expect(promisify(execFile)('bash', ['-c', plain])).rejects.toThrow('Empty reply from server');
});

it('clients of a cluster with certificates use HTTPS and trust only its authority', async () => {
  await cluster.start('--tls');
  const leader = ((await cluster.leader()) as NodeStatus).id;
  const follower = cluster.url(cluster.ids.find((id) => id !== leader) as string);
  expect(follower).toMatch(/^https:/);
  const byUrl = ['--url', follower, '--ca', join(cluster.data, 'tls', 'authority.pem')];
  for (const nodes of [['--data', cluster.data], byUrl]) {
    const run = async (...args: string[]): Promise<string> => {
      const { code, output } = await cluster.run([...args, ...nodes]).result;
      expect(code, output).toBe(0);
      return output;
    };
    await run('put', 'greeting', 'hello');
    expect(await run('get', 'greeting')).toBe('hello');
    await run('delete', 'greeting');
    expect((await run('status')).split('\n')[0]).toMatch(/^https:.*role (leader|follower)/);
    expect(await run('load', '--clients', '2', '--seconds', '1')).toMatch(/unknown 0\n$/);
    expect(await run('snapshot', 'take')).toMatch(/^https:.* took a snapshot/);
    expect(await run('snapshot', 'save', join(cluster.data, `backup-${nodes[0]}`))).toContain('all checked');
  }
  const other = await Authority.create('other');
  const otherFile = join(cluster.data, 'other.pem');
  writeFileSync(otherFile, (await other.pem()).cert);
  for (const args of [
    ['get', 'a', '--ca', otherFile],
    ['get', 'a'],
    ['put', 'a', 'b'],
    ['delete', 'a'],
    ['load'],
    ['snapshot', 'take'],
    ['status'],
  ]) {
    const { code, output } = await cluster.run([...args, '--url', follower]).result;
    const line = /kontiki-demo: The certificate of https:\S+ is not trusted: .* Name the authority .* --ca FILE .*\n$/;
    expect([code, output], args.join(' ')).toEqual([1, expect.stringMatching(line)]);
    expect(output.split('\n'), args.join(' ')).toHaveLength(args[0] === 'status' ? 3 : 2);
  }
  const missing = await cluster.run(['get', 'a', '--url', follower, '--ca', '/does/not/exist']).result;
  expect([missing.code, missing.output]).toEqual([1, expect.stringContaining('Cannot read the authority /does/not')]);
});

it('a node does not start without the certificates of its cluster', async () => {
  const demo = await cluster.start('--tls');
  demo.process.kill('SIGTERM');
  await demo.result;
  const path = join(cluster.data, 'cluster.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('"tls": true', '"tls": false'));
  const { code, output } = await command('node', '--id', 'n1').result;
  expect([code, output]).toEqual([1, expect.stringContaining('cluster.json contradicts the members in the log.')]);
  expect(output).not.toContain('listening on');
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
  expect(demo.output).toContain(`curl -H "Authorization: Bearer $(cat ${token})" -X PUT`);
  await expectCurl(printed(demo, '  curl'));
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
