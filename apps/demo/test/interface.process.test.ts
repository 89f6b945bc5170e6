// Shows how the nodes of a real cluster answer over HTTP, and what the command-line client prints.
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DemoCluster, eventually, freePorts, type NodeStatus, type Program } from './cluster.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

/**
 * Sends a PUT with a body of `chunks` times 64 KiB, without a Content-Length. Resolves with the
 * status, which may arrive before all data has been sent.
 */
function streamed(url: string, chunks: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/kv/streamed`, { method: 'PUT' }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('error', reject);
    for (let i = 0; i < chunks; i += 1) sent.write(new Uint8Array(64 * 1024));
    sent.end();
  });
}

async function leaderUrl(): Promise<string> {
  let leader: NodeStatus | undefined;
  await eventually('there is a leader', async () => (leader = await cluster.leader()) !== undefined);
  return cluster.url((leader as NodeStatus).id);
}

describe('the HTTP interface of a node', () => {
  it('every node serves all requests for keys', async () => {
    await cluster.start();
    const url = await leaderUrl();
    const leader = (await cluster.leader()) as NodeStatus;
    const follower = cluster.url(cluster.ids.find((id) => id !== leader.id) as string);
    const put = (key: string, body: string | Uint8Array, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(`${url}/kv/${key}`, { method: 'PUT', body: body as never, headers });

    const binary = Uint8Array.from({ length: 256 }, (_, i) => i);
    const set = await put('a%2Fb%20%C3%A4', binary);
    expect(set.status).toBe(204);
    const etag = set.headers.get('etag') as string;
    const got = await fetch(`${url}/kv/a%2Fb%20%C3%A4`);
    expect([got.status, got.headers.get('etag'), new Uint8Array(await got.arrayBuffer())]).toEqual([200, etag, binary]);
    expect((await put('a%2Fb%20%C3%A4', 'new', { 'If-Match': '"1"' })).status).toBe(412);
    expect((await put('a%2Fb%20%C3%A4', 'new', { 'If-Match': etag })).status).toBe(204);
    expect((await put('a%2Fb%20%C3%A4', 'newer', { 'If-Match': etag })).status).toBe(412);
    expect((await put('__proto__', 'x', { 'If-None-Match': '*' })).status).toBe(204);
    expect((await put('__proto__', 'y', { 'If-None-Match': '*' })).status).toBe(412);
    expect(await (await fetch(`${url}/kv/__proto__`)).text()).toBe('x');
    await put('empty', '');
    expect(await (await fetch(`${url}/kv/empty`)).text()).toBe('');
    const list = (await (await fetch(`${url}/kv?prefix=a`)).json()) as { keys: { key: string; bytes: number }[] };
    expect(list.keys.map(({ key, bytes }) => [key, bytes])).toEqual([['a/b ä', 3]]);

    for (let round = 0; round < 10; round += 1) {
      const sent = await fetch(`${follower}/kv/forwarded`, { method: 'PUT', body: `${round}`, redirect: 'error' });
      expect(sent.status).toBe(204);
      const read = await fetch(`${round % 2 === 0 ? follower : url}/kv/forwarded`, { redirect: 'error' });
      expect(await read.text()).toBe(`${round}`);
    }
    expect((await fetch(`${follower}/kv?prefix=a`, { redirect: 'error' })).status).toBe(200);
    expect((await fetch(`${follower}/kv/forwarded`, { method: 'DELETE', redirect: 'error' })).status).toBe(204);
    await put('followed', 'x');
    expect((await fetch(`${url}/kv/followed`, { method: 'DELETE' })).status).toBe(204);
    expect((await fetch(`${url}/kv/followed`, { method: 'DELETE' })).status).toBe(404);
    const absent = await fetch(`${url}/kv/followed`);
    // The request was read completely, so the connection stays open for the next request.
    expect([absent.status, absent.headers.get('connection')]).toEqual([404, 'keep-alive']);
    expect(await (await fetch(`${follower}/health`)).json()).toMatchObject({ healthy: true, leader: leader.id });
  });

  it('with --redirect, a follower redirects requests for keys to the leader', async () => {
    await cluster.start('--redirect');
    const url = await leaderUrl();
    const leader = (await cluster.leader()) as NodeStatus;
    const follower = cluster.url(cluster.ids.find((id) => id !== leader.id) as string);
    for (const [method, path] of [
      ['GET', '/kv/empty'],
      ['PUT', '/kv/empty'],
      ['DELETE', '/kv/empty'],
      ['GET', '/kv?prefix=a'],
      ['POST', '/sessions'],
    ] as const) {
      const sent = await fetch(follower + path, { method, redirect: 'manual', headers: { Host: 'evil.example' } });
      expect([sent.status, sent.headers.get('location')]).toEqual([307, url + path]);
    }
    expect((await fetch(`${follower}/kv/followed`, { method: 'PUT', body: 'x' })).status).toBe(204);
  });

  it('a node refuses invalid, oversized and incomplete requests', async () => {
    await cluster.start();
    const url = await leaderUrl();
    const status = async (path: string, init?: RequestInit): Promise<number> => (await fetch(url + path, init)).status;
    /** Sends a PUT, and retries while the node refuses it because an election is running. */
    const put = async (path: string, body: BodyInit): Promise<number> => {
      let answer = 503;
      await eventually('there is a leader to accept the PUT', async () => {
        answer = await status(path, { method: 'PUT', body });
        return answer !== 503;
      });
      return answer;
    };
    expect(await put('/kv/big', new Uint8Array(1024 * 1024) as never)).toBe(204);
    expect(await status('/kv/big', { method: 'PUT', body: new Uint8Array(1024 * 1024 + 1) as never })).toBe(413);
    expect(await put(`/kv/${'k'.repeat(512)}`, 'x')).toBe(204);
    expect(await status(`/kv/${'k'.repeat(513)}`)).toBe(400);
    expect(await status('/kv/%ff')).toBe(400);
    expect(await status('/kv/')).toBe(400);
    expect(await status('/kv/a?consistency=perhaps')).toBe(400);
    expect(await status('/kv/a', { method: 'PUT', body: 'x', headers: { 'If-Match': '*' } })).toBe(400);
    expect(await status('/kv/a', { method: 'POST', body: 'x' })).toBe(405);
    expect(await status('/kv', { method: 'DELETE' })).toBe(405);
    expect(await status('/elsewhere')).toBe(404);
    expect(await status('/kv/a', { headers: { 'X-Long': 'x'.repeat(20_000) } })).toBe(431);
    // A body without a length is refused once it is too long. A body that ends early is not
    // written.
    expect(await streamed(url, 40)).toBe(413);
    const { port } = new URL(url);
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.end('PUT /kv/half HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf'),
      );
      socket.on('close', () => resolve());
      socket.resume();
    });
    expect(await status('/kv/half')).toBe(404);
  });

  it('a write without a majority gets 503, or 504 if its outcome is unknown', async () => {
    await cluster.start();
    const leader = (await cluster.leader()) as NodeStatus;
    // The first write opens a session.
    expect((await fetch(`${cluster.url(leader.id)}/kv/a`, { method: 'PUT', body: 'x' })).status).toBe(204);
    const others = await Promise.all(cluster.ids.filter((id) => id !== leader.id).map((id) => cluster.status(id)));
    for (const other of others) process.kill((other as NodeStatus).pid, 'SIGKILL');
    const put = fetch(`${cluster.url(leader.id)}/kv/a`, { method: 'PUT', body: 'x' });
    await eventually('the leader has stepped down', async () => (await cluster.status(leader.id))?.role !== 'leader');
    const refused = await fetch(`${cluster.url(leader.id)}/kv/b`, { method: 'PUT', body: 'x' });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    const unknown = await put;
    expect([unknown.status, ((await unknown.json()) as { error: { code: string } }).error.code]).toEqual([
      504,
      'KONTIKI_UNKNOWN_OUTCOME',
    ]);
    expect((await fetch(`${cluster.url(leader.id)}/health`)).status).toBe(503);
  });
});

describe('the command-line client', () => {
  it('the client puts, gets, compare-and-sets and deletes keys through a follower', async () => {
    await cluster.start();
    const leader = ((await cluster.leader()) as NodeStatus).id;
    const follower = cluster.url(cluster.ids.find((id) => id !== leader) as string);
    const client = async (...args: string[]): Promise<[number | null, string]> => {
      const { code, output } = await cluster.run([...args, '--url', follower]).result;
      return [code, output];
    };
    const [put, revision] = await client('put', 'a key/ä', 'value');
    expect([put, revision]).toEqual([0, expect.stringMatching(/^revision \d+\n$/)]);
    expect(await client('get', 'a key/ä')).toEqual([0, 'value']);
    expect(await client('put', 'a key/ä', 'other', '--if-match', '1')).toEqual([
      3,
      expect.stringContaining('at revision'),
    ]);
    expect(await client('put', 'a key/ä', 'other', '--if-match', revision.replace(/\D/g, ''))).toEqual([
      0,
      expect.stringContaining('revision'),
    ]);
    expect(await client('put', 'a key/ä', 'x', '--if-absent')).toEqual([3, expect.stringContaining('revision')]);
    expect(await client('delete', 'a key/ä')).toEqual([0, 'deleted\n']);
    expect(await client('get', 'a key/ä')).toEqual([3, 'kontiki-demo: There is no such key.\n']);
    expect((await client('status'))[0]).toBe(0);
    const piped = await cluster.run(['put', 'b', '-', '--data', cluster.data], 'from stdin').result;
    expect(piped.code).toBe(0);
    expect(await client('get', 'b')).toEqual([0, 'from stdin']);
  });

  it('watch prints each new value, and continues at another node', async () => {
    await cluster.start();
    const run = (...args: string[]): Program => cluster.run([...args, '--data', cluster.data]);
    const watch = run('watch', 'a', '--count', '4');
    await eventually('the key does not exist', () => watch.output === 'no such key\n');
    await run('put', 'a', '1').result;
    await eventually('the value is 1', () => watch.output.endsWith(' "1"\n'));
    process.kill(((await cluster.status('n1')) as NodeStatus).pid, 'SIGKILL');
    await run('put', 'a', '2').result;
    await eventually('the value is 2', () => watch.output.endsWith(' "2"\n'));
    await run('delete', 'a').result;
    expect(await watch.result).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^no such key\n\d+ "1"\n\d+ "2"\nno such key\n$/),
    });
  });

  it('load prints the rate and latency of its PUTs, and refuses invalid flags', async () => {
    await cluster.start();
    const load = cluster.run(['load', '--clients', '4', '--seconds', '1', '--data', cluster.data]);
    const { code, output } = await load.result;
    expect(output).toMatch(
      /4 clients, 256 B: [\d,]+ PUT\/s {2}p50 [\d.]+ ms {2}p99 [\d.]+ ms {2}refused \d+ {2}unknown 0/,
    );
    expect(code).toBe(0);
    const wrong = await cluster.run(['load', '--clients', 'many']).result;
    expect([wrong.code, wrong.output]).toEqual([2, expect.stringContaining('--clients must be a whole number from 1')]);
  });

  it('the client retries until its time limit, then reports whether anything was written', async () => {
    const closed = `http://127.0.0.1:${await freePorts(1)}`;
    const refused = await cluster.run(['put', 'a', 'b', '--url', closed, '--timeout', '500']).result;
    expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('Nothing was written')]);
    const waiting = await cluster.run(['get', 'a', '--url', closed, '--timeout', '1500']).result;
    expect([waiting.code, waiting.output]).toEqual([
      1,
      expect.stringMatching(/^kontiki-demo: waiting for up to 1500 ms: cannot connect to .*ECONNREFUSED\)\n/),
    ]);
    const unreachable = ['put', 'a', 'b', '--url', 'http://unknown.invalid:80', '--url', 'http://127.0.0.1:6000'];
    const notSent = await cluster.run([...unreachable, '--timeout', '500']).result;
    expect([notSent.code, notSent.output]).toEqual([1, expect.stringContaining('Nothing was written')]);
    const large = await cluster.run(['put', 'a', '-', '--url', closed], 'x'.repeat(1024 * 1024 + 1)).result;
    expect([large.code, large.output]).toEqual([1, expect.stringContaining('Nothing was sent')]);
    const dots = await cluster.run(['put', '..', 'b', '--url', closed]).result;
    expect([dots.code, dots.output]).toEqual([2, expect.stringContaining('The key ".." cannot be part of a URL')]);
    // This server opens a session, but does not answer the PUT.
    const server = createServer(({ url }, response) =>
      url === '/sessions' ? response.end('{"session":1}') : response.socket?.destroy(),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const put = ['put', 'a', 'b', '--url', `http://127.0.0.1:${port}`, '--timeout', '500'];
    const unknown = await cluster.run(put).result;
    expect([unknown.code, unknown.output]).toEqual([4, expect.stringContaining('UNKNOWN')]);
    server.close();
  });
});
