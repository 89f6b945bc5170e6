import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DemoCluster, eventually, freePorts, isAlive, MAIN, type NodeStatus } from './cluster.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

const shell = promisify(execFile);

/**
 * Sends a PUT of `chunks` times 64 KiB without a Content-Length. Resolves with the status, which
 * may arrive before everything is sent.
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
  return cluster.url(((await cluster.leader()) as NodeStatus).id);
}

describe('kontiki-demo demo', () => {
  it('the commands printed by demo work as printed', async () => {
    const demo = await cluster.start();
    const printed = (start: string): string[] => demo.output.split('\n').filter((line) => line.startsWith(start));
    /** Runs a printed command. Repeats it while there is no leader, or none that is alive. */
    const run = async (line: string): Promise<string> => {
      let answer: string | undefined;
      await eventually(`an answer to ${line}`, async () => {
        answer = (await shell('bash', ['-c', line]).catch(() => undefined))?.stdout;
        return answer !== undefined && !answer.includes('KONTIKI_NOT_LEADER');
      });
      return answer as string;
    };
    const check = async (lines: readonly string[]): Promise<void> => {
      expect(lines).toHaveLength(4);
      const answers: string[] = [];
      for (const line of lines) answers.push(await run(line));
      expect(answers[1]).toBe('hello');
      expect(answers[3]).toContain('"role":');
    };
    const first = printed('  curl');
    await check(first);
    const kill = printed('  kill -9')[0] as string;
    const pid = Number((await run(/\$\((.*)\)/.exec(kill)?.[1] as string)).trim());
    await shell('bash', ['-c', kill]);
    await eventually('the killed node has exited', () => !isAlive(pid));
    // The first commands use a node that was not killed, and new ones follow.
    await check(first);
    await eventually('the commands are printed again', () => printed('  curl').length === 8);
    await check(printed('  curl').slice(4));
    const restart = printed('  npx')[0] as string;
    const [, args] = /^  npx -y pnpm@[\d.]+ kontiki-demo (.*)$/.exec(restart) as unknown as [string, string];
    cluster.run(args.split(' '));
    await eventually('all nodes are running', async () => (await cluster.pids()).length === 3);
  });

  it('demo stops on SIGTERM or SIGINT, and a later start continues with its data', async () => {
    const demo = await cluster.start();
    await fetch(`${await leaderUrl()}/kv/a`, { method: 'PUT', body: '1' });
    const pids = await cluster.pids();
    demo.process.kill('SIGTERM');
    expect(await demo.result).toMatchObject({
      code: 0,
      output: expect.stringContaining('stopped. Data on disk stays in'),
    });
    expect(pids.some(isAlive)).toBe(false);
    const second = cluster.run(['demo', '--data', cluster.data]);
    await eventually('a node leads again', () => second.output.includes(' leads. Try'));
    expect(await (await fetch(`${await leaderUrl()}/kv/a`)).text()).toBe('1');
    second.process.kill('SIGINT');
    expect((await second.result).code).toBe(0);
    const refused = await cluster.run(['demo', '--data', cluster.data, '--nodes', '5']).result;
    expect(refused).toMatchObject({ code: 2, output: expect.stringContaining('--nodes 3, not 5') });
  });

  it('demo reports a folder or port in use or an invalid flag in one sentence', async () => {
    await cluster.start();
    const second = await cluster.run(['node', '--id', 'n1', '--data', cluster.data]).result;
    expect(second.code).toBe(1);
    expect(second.output).toMatch(/ is in use by another process\..* \[KONTIKI_LOCKED\]\n$/);
    expect(second.output.split('in use')).toHaveLength(2);
    const demo = await cluster.run(['demo', '--data', cluster.data]).result;
    expect(demo.code).toBe(1);
    expect(demo.output).toMatch(/^kontiki-demo: .* is in use by another process\..*\n$/);
    const other = await DemoCluster.create();
    try {
      const refused = other.run([
        'demo',
        '--data',
        other.data,
        '--port',
        `${cluster.port}`,
        '--peer-port',
        `${await freePorts(3)}`,
      ]);
      const { code, output } = await refused.result;
      expect([code, output]).toEqual([1, expect.stringContaining('is in use by another process')]);
    } finally {
      await other.remove();
    }
    const unused = join(cluster.data, 'unused');
    for (const [args, sentence] of [
      [['demo', '--nodes', '0'], '--nodes must be a whole number from 1 to 7'],
      [['demo', '--nodes', 'three'], '--nodes must be'],
      [['demo', '--nodes', '-1'], '--nodes must be a whole number from 1 to 7, not "-1"'],
      [['demo', '--data', unused, '--heartbeat', '100', '--election', '150'], 'at least twice --heartbeat 100'],
      [['demo', '--data', unused, '--heartbeat', '60001'], '--heartbeat must be a whole number from 1 to 60000'],
      [['demo', '--data', unused, '--port', '5000', '--peer-port', '5001'], 'overlap'],
      [['demo', '--data', unused, '--storage', 'fs,fs'], '--storage names 2 stores for 3 nodes'],
      [['node'], '--id is missing'],
      [['node', '--id', 'n9', '--data', cluster.data], 'has no node n9'],
      [['get'], 'KEY is missing'],
      [['get', 'a', '--url', 'ftp://x'], '--url must be'],
      [['put', 'a', 'b', '--url', 'http://127.0.0.1:99999'], '--url must be'],
      [['launch'], 'There is no command "launch"'],
      [['lod'], 'There is no command "lod". Did you mean load?'],
      [['snapshot', 'tak'], 'There is no snapshot command "tak". Did you mean take?'],
      [[], 'A command is missing'],
    ] as const) {
      const { code, output } = await cluster.run(args).result;
      expect([code, output.split('\n').length, output], args.join(' ')).toEqual([
        2,
        2,
        expect.stringContaining(sentence),
      ]);
    }
    expect(existsSync(unused)).toBe(false);
    for (const args of [['--version'], ['demo', '--version']])
      expect(await cluster.run(args).result).toMatchObject({ code: 0, output: 'kontiki-demo 0.1.0\n' });
    for (const command of ['', 'demo', 'node', 'get', 'put', 'delete', 'status']) {
      const { code, output } = await cluster.run([command, '--help'].filter(Boolean)).result;
      expect([code, output]).toEqual([0, expect.stringContaining('npx -y pnpm@10.34.9 ')]);
    }
  });

  it('one of several demos in one folder runs, and the others report why they fail', async () => {
    const flags = ['--port', `${cluster.port}`, '--peer-port', `${cluster.port + cluster.size}`];
    const demos = Array.from({ length: 4 }, () => cluster.run(['demo', '--data', cluster.data, ...flags]));
    await eventually('one demo leads and the others have exited', () => {
      const alive = demos.filter((demo) => demo.alive);
      if (alive.length === 0) throw new Error(demos.map(({ output }) => output).join('\n'));
      return alive.length === 1 && alive.some(({ output }) => output.includes(' leads. Try'));
    });
    for (const { alive, result } of demos) {
      if (!alive)
        expect(await result).toMatchObject({ code: 1, output: expect.stringContaining('in use by another process') });
    }
  });

  it('a node with a lost disk does not start, and the other nodes keep running', async () => {
    const demo = await cluster.start();
    demo.process.kill('SIGTERM');
    await demo.result;
    rmSync(join(cluster.data, 'n2'), { recursive: true });
    const restarted = await cluster.start();
    expect(restarted.output).toContain('n2 does not start: its log');
    expect(await cluster.status('n2')).toBe(undefined);
    expect((await fetch(`${await leaderUrl()}/kv/a`, { method: 'PUT', body: '1' })).status).toBe(204);
  });

  it('demo does not create a cluster in a folder with data of another cluster', async () => {
    const demo = await cluster.start();
    demo.process.kill('SIGTERM');
    await demo.result;
    rmSync(join(cluster.data, 'cluster.json'));
    const { code, output } = await cluster.run(['demo', '--data', cluster.data]).result;
    expect([code, output]).toEqual([1, expect.stringContaining('has the data of node n1 but no cluster.json.')]);
    expect(existsSync(join(cluster.data, 'cluster.json'))).toBe(false);
    for (const text of ['null', '{"version":1,"cluster":"x","bootstrapped":true,"nodes":[{}]}']) {
      writeFileSync(join(cluster.data, 'cluster.json'), text);
      const invalid = await cluster.run(['demo', '--data', cluster.data]).result;
      expect([invalid.code, invalid.output]).toEqual([
        1,
        expect.stringContaining('is not a cluster file of this version'),
      ]);
    }
  });

  it('demo exits with 1 when all its nodes were killed', async () => {
    const demo = await cluster.start();
    for (const pid of await cluster.pids()) process.kill(pid, 'SIGKILL');
    expect(await demo.result).toMatchObject({ code: 1, output: expect.stringContaining('All nodes have exited.') });
  });

  it('a node reports a cluster.json that contradicts the members in the log', async () => {
    const demo = await cluster.start();
    demo.process.kill('SIGTERM');
    await demo.result;
    const path = join(cluster.data, 'cluster.json');
    const text = readFileSync(path, 'utf8');
    const start = async (): Promise<[number | null, string]> => {
      const { code, output } = await cluster.run(['node', '--id', 'n1', '--data', cluster.data]).result;
      return [code, output];
    };
    const peerPort = cluster.port + cluster.size;
    for (const [before, after] of [
      [`"peerPort": ${peerPort + 1}`, '"peerPort": 1'],
      [`"port": ${cluster.port + 2}`, '"port": 1'],
      ['"id": "n3"', '"id": "n4"'],
    ] as const) {
      writeFileSync(path, text.replace(before, after));
      expect(await start()).toEqual([1, expect.stringContaining('cluster.json contradicts the members in the log.')]);
    }
  });

  it('demo stops its nodes and exits with 0 when its output is closed', async () => {
    const demo = await cluster.start();
    const pids = await cluster.pids();
    demo.process.stdout?.destroy();
    process.kill(pids[0] as number, 'SIGKILL'); // The demo prints this, and detects that its output is closed.
    const { code, output } = await demo.result;
    expect([code, output]).toEqual([0, expect.not.stringContaining('EPIPE')]);
    expect(pids.some(isAlive)).toBe(false);
  });

  it('a node exits when its demo dies while the node starts', async () => {
    const demo = await cluster.start();
    demo.process.kill('SIGTERM');
    await demo.result;
    const args = [MAIN, 'node', '--id', 'n1', '--data', cluster.data];
    const node = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let output = '';
    node.stderr?.on('data', (data: Buffer) => (output += data.toString()));
    node.disconnect();
    expect([await once(node, 'exit'), output]).toEqual([[0, null], expect.stringContaining('stopped')]);
  });

  it('demo completes an interrupted bootstrap', async () => {
    const demo = await cluster.start();
    demo.process.kill('SIGTERM');
    await demo.result;
    const path = join(cluster.data, 'cluster.json');
    const file = JSON.parse(readFileSync(path, 'utf8')) as object;
    writeFileSync(path, JSON.stringify({ ...file, bootstrapped: false }));
    rmSync(join(cluster.data, 'n3'), { recursive: true });
    await cluster.start();
    await eventually('all three nodes are running', async () => (await cluster.pids()).length === 3);
  });

  it('the latency of a PUT does not depend on the heartbeat', async () => {
    await cluster.start('--heartbeat', '1000', '--election', '2000');
    const url = await leaderUrl();
    await fetch(`${url}/kv/warm`, { method: 'PUT', body: 'x' });
    const times: number[] = [];
    for (let i = 0; i < 50; i += 1) {
      const start = performance.now();
      expect((await fetch(`${url}/kv/${i}`, { method: 'PUT', body: 'x' })).status).toBe(204);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    console.log(
      `50 PUTs with a heartbeat of 1 s: median ${times[25]?.toFixed(2)} ms, slowest ${times.at(-1)?.toFixed(2)} ms`,
    );
    // If every PUT waited for a heartbeat, the sum would be about 50 s.
    expect(times.reduce((a, b) => a + b)).toBeLessThan(20_000);
  });
});

describe('the HTTP interface of a node', () => {
  it('a leader serves all key requests, and a follower redirects to it', async () => {
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

    for (const [method, path] of [
      ['GET', '/kv/empty'],
      ['PUT', '/kv/empty'],
      ['DELETE', '/kv/empty'],
      ['GET', '/kv?prefix=a'],
    ] as const) {
      const sent = await fetch(follower + path, { method, redirect: 'manual', headers: { Host: 'evil.example' } });
      expect([sent.status, sent.headers.get('location')]).toEqual([307, url + path]);
    }
    const follow = await fetch(`${follower}/kv/followed`, { method: 'PUT', body: 'x' });
    expect(follow.status).toBe(204);
    await eventually(
      'the follower has applied the PUT',
      async () => (await fetch(`${follower}/kv/followed?consistency=local`)).status === 200,
    );
    expect((await fetch(`${url}/kv/followed`, { method: 'DELETE' })).status).toBe(204);
    expect((await fetch(`${url}/kv/followed`, { method: 'DELETE' })).status).toBe(404);
    const absent = await fetch(`${url}/kv/followed`);
    // The request was read completely, so the connection stays open for the next request.
    expect([absent.status, absent.headers.get('connection')]).toEqual([404, 'keep-alive']);
    expect(await (await fetch(`${follower}/health`)).json()).toMatchObject({ healthy: true, leader: leader.id });
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
    // A body without a length is refused once too much has arrived. A body that ends early is not
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
  it('the client puts, gets, compares and deletes keys through a follower', async () => {
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

  it('the client retries refused requests and reports unknown outcomes', async () => {
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
    // This server closes the connection after it has received the request, so the outcome is
    // unknown.
    const server = createServer((socket) => socket.on('error', () => {}).once('data', () => socket.destroy()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const unknown = await cluster.run(['put', 'a', 'b', '--url', `http://127.0.0.1:${port}`]).result;
    expect([unknown.code, unknown.output]).toEqual([4, expect.stringContaining('UNKNOWN')]);
    server.close();
  });
});
