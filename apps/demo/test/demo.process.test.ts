// Shows how the command `demo` starts, restarts and stops a cluster, and which command lines and
// folders it refuses.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DemoCluster, eventually, freePorts, isAlive, MAIN, type NodeStatus } from './cluster.js';
import { expectCurl, printed, runPrinted } from './printed.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

async function leaderUrl(): Promise<string> {
  return cluster.url(((await cluster.leader()) as NodeStatus).id);
}

describe('kontiki-demo demo', () => {
  it('the commands printed by demo work as printed', async () => {
    const demo = await cluster.start();
    const first = printed(demo, '  curl');
    await expectCurl(first);
    const kill = printed(demo, '  kill -9')[0] as string;
    const pid = Number((await runPrinted(/\$\((.*)\)/.exec(kill)?.[1] as string)).trim());
    await runPrinted(kill);
    await eventually('the killed node has exited', () => !isAlive(pid));
    // The first commands that the demo prints use a node that is not killed. The demo then prints
    // new commands.
    await expectCurl(first);
    await eventually('the commands are printed again', () => printed(demo, '  curl').length === 8);
    await expectCurl(printed(demo, '  curl').slice(4));
    const restart = printed(demo, '  npx')[0] as string;
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
      [['demo', '--data', unused, '--port', '5000', '--peer-port', '5001'], 'overlap'],
      [['node', '--id', 'n9', '--data', cluster.data], 'has no node n9'],
      [['lod'], 'There is no command "lod". Did you mean load?'],
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
    expect(await cluster.run(['demo', '--version']).result).toMatchObject({ code: 0, output: 'kontiki-demo 0.1.0\n' });
    for (const command of ['', 'demo']) {
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

  it('demo exits with 1 when all its nodes have been killed', async () => {
    const demo = await cluster.start();
    for (const pid of await cluster.pids()) process.kill(pid, 'SIGKILL');
    expect(await demo.result).toMatchObject({ code: 1, output: expect.stringContaining('All nodes have exited.') });
  });

  it('demo stops its nodes and exits with 0 when its output is closed', async () => {
    const demo = await cluster.start();
    const pids = await cluster.pids();
    demo.process.stdout?.destroy();
    // When the demo prints that a node exited, it detects that its output is closed.
    process.kill(pids[0] as number, 'SIGKILL');
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
    // If every PUT waited for a heartbeat, the latencies would add up to about 50 s.
    expect(times.reduce((a, b) => a + b)).toBeLessThan(20_000);
  });
});
