import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeSnapshot } from '@kontiki/core/wire';
import { KvMachine } from '../src/kv/machine.js';
import { DemoCluster, eventually, freePorts, type NodeStatus } from './cluster.js';
import { Load } from './load.js';

let cluster: DemoCluster;
beforeEach(async () => {
  cluster = await DemoCluster.create();
});
afterEach(() => cluster.remove());

/** A hundred thousand take minutes where the machine is busy. */
const ENTRIES = 20_000;
const FLAGS = ['--snapshot-entries', '4000', '--snapshot-trailing', '200'];
const WRITERS = 64;

async function one(id: string): Promise<NodeStatus> {
  return (await cluster.status(id)) as NodeStatus;
}

/** Keys that a node misses of those that were acknowledged, once it has caught up. */
async function missing(load: Load, id: string): Promise<string[]> {
  await eventually(`${id} has caught up`, () => cluster.caughtUp(id), 60_000);
  return load.missing(id);
}

describe('snapshots of real processes', () => {
  it(`a follower that was killed while ${ENTRIES} entries were written and compacted catches up by snapshot, under load`, async () => {
    const demo = await cluster.start(...FLAGS);
    const load = new Load(cluster, WRITERS, 'snapshots');
    const written = (count: number): Promise<number> =>
      eventually(`${count} acknowledged writes`, () => load.acknowledged.size >= count, 120_000);
    await written(500);
    const { id: leader, term } = (await cluster.leader()) as NodeStatus;
    const follower = cluster.ids.find((id) => id !== leader) as string;
    const before = await one(follower);
    process.kill(before.pid, 'SIGKILL');
    const writing = await written(load.acknowledged.size + ENTRIES);
    const compacted = (await cluster.leader()) as NodeStatus;
    expect(compacted.base).toBeGreaterThan(before.last);
    expect(compacted.snapshot?.index).toBeGreaterThan(before.last);

    const again = cluster.run(['node', '--id', follower, '--data', cluster.data, ...FLAGS]);
    const catchUp = await eventually('the follower has caught up', () => cluster.caughtUp(follower), 60_000);
    expect(again.output).toContain('installs the snapshot of entry');
    const during = load.acknowledged.size;
    await written(during + 500);
    await load.stop();
    const { base } = await one(follower);
    expect(base).toBeGreaterThan(before.last);
    expect(await load.missing()).toEqual([]);
    expect(await missing(load, follower)).toEqual([]);
    const ended = (await cluster.leader()) as NodeStatus;

    for (const pid of await cluster.pids()) process.kill(pid, 'SIGKILL');
    await Promise.all([demo.ended, again.ended]);
    const begin = performance.now();
    await cluster.start(...FLAGS);
    const restart = Math.round(performance.now() - begin);
    for (const id of cluster.ids) {
      expect(await missing(load, id)).toEqual([]);
      expect((await one(id)).base).toBeGreaterThan(before.last);
    }
    expect(load.unknown * 50).toBeLessThan(load.acknowledged.size);
    console.log(
      `catch-up by snapshot: ${load.acknowledged.size} acknowledged, ${load.unknown} unknown, ${ENTRIES} of them in ${writing} ms while it was down; ` +
        `its log ended at ${before.last}, the leader's began at ${compacted.base}; caught up after ${catchUp} ms, snapshot of ${ended.snapshot?.bytes} bytes; ` +
        `term ${term}, then ${ended.term}; killed all, leads again after ${restart} ms`,
    );
  });

  it('are taken, copied out and looked into by the command line', async () => {
    await cluster.start();
    const n1 = cluster.url('n1');
    const snapshot = async (...args: string[]): Promise<[number | null, string]> => {
      const { code, output } = await cluster.run(['snapshot', ...args]).ended;
      return [code, output];
    };
    const file = join(cluster.data, 'backup');
    expect(await snapshot('save', file, '--url', n1)).toEqual([
      1,
      `kontiki-demo: ${n1} refuses: This node has no snapshot yet.\n`,
    ]);
    expect(existsSync(`${file}.tmp`)).toBe(false);
    const value = 'x'.repeat(200_000);
    for (const key of ['a', 'b']) await fetch(`${n1}/kv/${key}`, { method: 'PUT', body: value });
    await eventually('n1 has both', async () => (await one('n1')).keys === 2);

    const [code, took] = await snapshot('take', '--data', cluster.data);
    const [, index, bytes] = /took a snapshot of entry (\d+) of term \d+: (\d+) bytes\n$/.exec(took) ?? [];
    expect([code, Number(bytes)]).toEqual([0, expect.any(Number)]);
    const told = (await one('n1')).snapshot;
    expect(told).toEqual({ index: Number(index), bytes: Number(bytes), at: expect.stringMatching(/^\d{4}-.*Z$/) });
    expect(Number(bytes)).toBeGreaterThan(400_000);

    expect((await snapshot('save', file, '--url', n1))[0]).toBe(0);
    const saved = readFileSync(file);
    expect([saved.length, existsSync(`${file}.tmp`)]).toEqual([Number(bytes), false]);
    const machine = new KvMachine();
    await machine.restore(decodeSnapshot([saved] as never));
    expect(machine.list('', 5).map(([key, item]) => [key, item.value.length])).toEqual([
      ['a', value.length],
      ['b', value.length],
    ]);
    expect(await snapshot('save', file, '--url', n1)).toEqual([1, expect.stringContaining('nothing is overwritten')]);
    expect(readFileSync(file)).toEqual(saved);

    const [whole, says] = await snapshot('inspect', file);
    expect([whole, says]).toEqual([0, expect.stringContaining(`last entry  ${index} of term`)]);
    expect(says).toContain(`in a file of ${bytes}: every checksum is right`);
    for (const id of cluster.ids) expect(says).toContain(`${id} ws://127.0.0.1:`);
    const damaged = join(cluster.data, 'damaged');
    writeFileSync(damaged, saved.with(300_000, saved[300_000]! ^ 1));
    const [broken, why] = await snapshot('inspect', damaged);
    expect([broken, why]).toEqual([1, expect.stringContaining('last entry')]);
    expect(why).toMatch(/kontiki-demo: .*damaged: The snapshot is damaged at byte \d+: .* \[KONTIKI_CORRUPT\]\n$/);

    // What a node gives is checked on its way: a server that gives damaged bytes, or breaks off, leaves no file.
    const wrong = readFileSync(damaged);
    for (const [fault, give] of [
      ['damaged at byte', (response: ServerResponse) => response.end(wrong)],
      ['broke off', (response: ServerResponse) => response.write(saved.subarray(0, 9_999), () => response.destroy())],
    ] as const) {
      const server = createServer((_, response) => {
        response.writeHead(200, { 'Content-Length': saved.length });
        give(response);
      });
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      const { port } = server.address() as { port: number };
      const copy = join(cluster.data, 'copy');
      const [failed, sentence] = await snapshot('save', copy, '--url', `http://127.0.0.1:${port}`);
      // Where the machine is busy, its progress stands before the error.
      expect([failed, sentence.split('\n').at(-2)]).toEqual([1, expect.stringContaining(fault)]);
      expect([existsSync(copy), existsSync(`${copy}.tmp`)]).toEqual([false, false]);
      server.close();
    }

    const closed = `http://127.0.0.1:${await freePorts(1)}`;
    for (const [args, exit, sentence] of [
      [['take', '--url', closed], 1, 'No node is reached'],
      [['inspect', join(cluster.data, 'nowhere')], 1, 'cannot be read'],
      [['save', join(cluster.data, 'no', 'such'), '--url', n1], 1, 'cannot be written'],
      [['save'], 2, 'FILE is missing'],
      [['give'], 2, 'There is no snapshot "give"'],
      [[], 2, 'take, save or inspect is missing'],
      [['take', '--timeout', 'long'], 2, '--timeout takes a whole number'],
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
