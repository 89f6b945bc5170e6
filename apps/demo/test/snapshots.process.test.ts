import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SessionMachine } from '@kontiki/core';
import { decodeSnapshot } from '@kontiki/core/wire';
import { KvMachine } from '../src/kv/machine.js';
import { DemoCluster, eventually, freePorts, type NodeStatus } from './cluster.js';
import { Load } from './load.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

/**
 * Number of writes while the follower is down. More writes would take minutes on a busy machine.
 */
const ENTRIES = 2_500;
const FLAGS = ['--snapshot-entries', '1000', '--snapshot-trailing', '200'];
const WRITERS = 64;

async function statusOf(id: string): Promise<NodeStatus> {
  return (await cluster.status(id)) as NodeStatus;
}

/** Waits until a node has caught up. Returns the acknowledged keys that it does not have. */
async function missing(load: Load, id: string): Promise<string[]> {
  await eventually(`${id} has caught up`, () => cluster.caughtUp(id), 60_000);
  return load.missing(id);
}

describe('snapshots in a cluster of real processes', () => {
  it(`a killed follower catches up from a snapshot after ${ENTRIES} writes under load`, async () => {
    const demo = await cluster.start(...FLAGS);
    const load = new Load(cluster, WRITERS, 'snapshots');
    const written = (count: number): Promise<number> =>
      eventually(`${count} acknowledged writes`, () => load.acknowledged.size >= count, 120_000);
    await written(500);
    const { id: leader, term } = (await cluster.leader()) as NodeStatus;
    const follower = cluster.ids.find((id) => id !== leader) as string;
    const before = await statusOf(follower);
    process.kill(before.pid, 'SIGKILL');
    const writing = await written(load.acknowledged.size + ENTRIES);
    const compacted = (await cluster.leader()) as NodeStatus;
    expect(compacted.base).toBeGreaterThan(before.last);
    expect(compacted.snapshot?.index).toBeGreaterThan(before.last);

    const restarted = cluster.run(['node', '--id', follower, '--data', cluster.data, ...FLAGS]);
    const catchUp = await eventually('the follower has caught up', () => cluster.caughtUp(follower), 60_000);
    expect(restarted.output).toContain('installs the snapshot of entry');
    const during = load.acknowledged.size;
    await written(during + 500);
    await load.stop();
    const { base } = await statusOf(follower);
    expect(base).toBeGreaterThan(before.last);
    expect(await load.missing()).toEqual([]);
    expect(await missing(load, follower)).toEqual([]);
    const finalLeader = (await cluster.leader()) as NodeStatus;

    for (const pid of await cluster.pids()) process.kill(pid, 'SIGKILL');
    await Promise.all([demo.result, restarted.result]);
    const start = performance.now();
    await cluster.start(...FLAGS);
    const restart = Math.round(performance.now() - start);
    for (const id of cluster.ids) {
      expect(await missing(load, id)).toEqual([]);
      expect((await statusOf(id)).base).toBeGreaterThan(before.last);
    }
    expect(load.failed).toEqual([]);
    console.log(
      `catch-up by snapshot: ${load.acknowledged.size} acknowledged, ${ENTRIES} of them in ${writing} ms while it was down; ` +
        `its log ended at ${before.last}, the leader's began at ${compacted.base}; caught up after ${catchUp} ms, snapshot of ${finalLeader.snapshot?.bytes} bytes; ` +
        `term ${term}, then ${finalLeader.term}; killed all, leads again after ${restart} ms`,
    );
  });

  it('kontiki-demo snapshot takes, saves and inspects snapshots', async () => {
    await cluster.start();
    const n1 = cluster.url('n1');
    const snapshot = async (...args: string[]): Promise<[number | null, string]> => {
      const { code, output } = await cluster.run(['snapshot', ...args]).result;
      return [code, output];
    };
    const file = join(cluster.data, 'backup');
    expect(await snapshot('save', file, '--url', n1)).toEqual([
      1,
      `kontiki-demo: ${n1} refused with status 404: This node has no snapshot yet. Take one with POST /snapshot.\n`,
    ]);
    expect(existsSync(`${file}.tmp`)).toBe(false);
    const value = 'x'.repeat(200_000);
    for (const key of ['a', 'b']) await fetch(`${n1}/kv/${key}`, { method: 'PUT', body: value });
    await eventually('n1 has both keys', async () => (await statusOf('n1')).keys === 2);

    const [code, output] = await snapshot('take', '--data', cluster.data);
    const [, index, bytes] = /took a snapshot of entry (\d+) of term \d+: (\d+) bytes\n$/.exec(output) ?? [];
    expect([code, Number(bytes)]).toEqual([0, expect.any(Number)]);
    const reported = (await statusOf('n1')).snapshot;
    expect(reported).toEqual({ index: Number(index), bytes: Number(bytes), at: expect.stringMatching(/^\d{4}-.*Z$/) });
    expect(Number(bytes)).toBeGreaterThan(400_000);

    expect((await snapshot('save', file, '--url', n1))[0]).toBe(0);
    const saved = readFileSync(file);
    expect([saved.length, existsSync(`${file}.tmp`)]).toEqual([Number(bytes), false]);
    const machine = new KvMachine();
    const at = { index: Number(index), term: 1, time: 0, version: 1 };
    await new SessionMachine(machine).restore(decodeSnapshot([saved] as never), at);
    expect(machine.list('', 5).map(([key, item]) => [key, item.value.length])).toEqual([
      ['a', value.length],
      ['b', value.length],
    ]);
    expect(await snapshot('save', file, '--url', n1)).toEqual([1, expect.stringContaining('was not overwritten')]);
    expect(readFileSync(file)).toEqual(saved);

    const [intact, description] = await snapshot('inspect', file);
    expect([intact, description]).toEqual([0, expect.stringContaining(`last entry  ${index} of term`)]);
    expect(description).toContain(`in a file of ${bytes} bytes, all checksums match`);
    for (const id of cluster.ids) expect(description).toContain(`${id} ws://127.0.0.1:`);
    const damaged = join(cluster.data, 'damaged');
    writeFileSync(damaged, saved.with(300_000, saved[300_000]! ^ 1));
    const [corrupt, message] = await snapshot('inspect', damaged);
    expect([corrupt, message]).toEqual([1, expect.stringContaining('last entry')]);
    expect(message).toMatch(/kontiki-demo: .*damaged: The snapshot is damaged at byte \d+: .* \[KONTIKI_CORRUPT\]\n$/);

    // A download is checked while it arrives. Damaged or incomplete data leaves no file.
    const damagedBytes = readFileSync(damaged);
    for (const [fault, respond] of [
      ['damaged at byte', (response: ServerResponse) => response.end(damagedBytes)],
      [
        'was interrupted',
        (response: ServerResponse) => response.write(saved.subarray(0, 9_999), () => response.destroy()),
      ],
    ] as const) {
      const server = createServer((_, response) => {
        response.writeHead(200, { 'Content-Length': saved.length });
        respond(response);
      });
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      const { port } = server.address() as { port: number };
      const copy = join(cluster.data, 'copy');
      const [failed, sentence] = await snapshot('save', copy, '--url', `http://127.0.0.1:${port}`);
      // On a busy machine, progress lines precede the error.
      expect([failed, sentence.split('\n').at(-2)]).toEqual([1, expect.stringContaining(fault)]);
      expect([existsSync(copy), existsSync(`${copy}.tmp`)]).toEqual([false, false]);
      server.close();
    }

    const closed = `http://127.0.0.1:${await freePorts(1)}`;
    for (const [args, exit, sentence] of [
      [['take', '--url', closed], 1, 'No node can be reached'],
      [['inspect', join(cluster.data, 'nowhere')], 1, 'Cannot read'],
      [['save', join(cluster.data, 'no', 'such'), '--url', n1], 1, 'Cannot write'],
      [['save'], 2, 'FILE is missing'],
      [['give'], 2, 'There is no snapshot command "give"'],
      [[], 2, 'A snapshot command is missing'],
      [['take', '--timeout', 'long'], 2, '--timeout must be a whole number'],
    ] as const) {
      const [status, output] = await snapshot(...args);
      expect([status, output.split('\n').length, output], args.join(' ')).toEqual([
        exit,
        2,
        expect.stringContaining(sentence),
      ]);
    }
    for (const args of [['--help'], ['take', '--help'], ['save', '--help'], ['inspect', '--help']]) {
      expect(await snapshot(...args)).toEqual([0, expect.stringContaining('kontiki-demo snapshot')]);
    }
    expect((await fetch(`${n1}/snapshot`, { method: 'DELETE' })).status).toBe(405);
  });
});
