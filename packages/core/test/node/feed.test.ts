// Shows that a feed yields each committed command once and in order, on every server, and reports
// when a snapshot has replaced commands that it has not read.
import { describe, expect, it } from 'vitest';
import type { Committed, RaftNode } from '@kontiki/core';
import { atOnce, bytes, outcome, runToOutcome } from './harness.js';
import { nodes, open } from './snapshot-harness.js';

const text = ({ data }: Committed<number>): string => new TextDecoder().decode(data);

async function propose(...commands: string[]): Promise<void> {
  for (const command of commands) await runToOutcome(nodes, (nodes.leader as RaftNode<number>).propose(bytes(command)));
}

/** Reads the next `count` commands of a feed. */
async function take(feed: AsyncGenerator<Committed<number>>, count: number): Promise<Committed<number>[]> {
  const taken: Committed<number>[] = [];
  const reading = (async () => {
    while (taken.length < count) taken.push((await feed.next()).value as Committed<number>);
  })();
  await runToOutcome(nodes, reading);
  return taken;
}

describe('committed', () => {
  it('a feed yields all commands in order on every server, and results since its start', async () => {
    await nodes.cluster('a', 'b', 'c');
    await propose('x', 'y');
    for (const node of nodes.nodes.values()) await runToOutcome(nodes, node.ready());
    const feeds = [...nodes.nodes.values()].map((node) => node.committed({ from: 1 }));
    for (const feed of feeds) expect((await take(feed, 2)).map(text)).toEqual(['x', 'y']);
    await propose('z');
    for (const feed of feeds) {
      const [z] = await take(feed, 1);
      expect([text(z as Committed<number>), z?.result]).toEqual(['z', 3]);
    }
  });

  it('a feed starts after the applied entries by default, and its data is a copy', async () => {
    await nodes.cluster('a');
    await propose('x');
    const feed = nodes.get('a').committed();
    const next = take(feed, 1);
    await propose('y');
    const [y] = await next;
    expect(text(y as Committed<number>)).toBe('y');
    (y as Committed<number>).data.fill(0);
    await feed.return();
    const [again] = await take(nodes.get('a').committed({ from: (y as Committed<number>).index }), 1);
    expect(text(again as Committed<number>)).toBe('y');
    expect(again).not.toHaveProperty('result');
  });

  it('a consumer that is far behind receives all commands, but no old results', async () => {
    await nodes.cluster('a');
    const a = nodes.get('a');
    const feed = a.committed();
    const first = take(feed, 1);
    await propose('first');
    await first;
    for (let i = 0; i < 50; i += 1) {
      const some = Array.from({ length: 100 }, (_, n) => a.propose(bytes(`${100 * i + n}`)));
      await runToOutcome(nodes, Promise.all(some));
    }
    const rest = await take(feed, 5_000);
    expect(rest.map(text)).toEqual(Array.from({ length: 5_000 }, (_, i) => `${i}`));
    expect(rest.filter((item) => 'result' in item)).toHaveLength(256);
    expect(rest.at(-1)?.result).toBe(5_001);
  });

  it('a feed ends with its node, rejects when it is aborted, and refuses invalid options', async () => {
    await nodes.cluster('a');
    const a = nodes.get('a');
    const controller = new AbortController();
    const aborted = outcome(a.committed({ signal: controller.signal }).next());
    controller.abort();
    expect(await aborted).toBe('KONTIKI_ABORTED');
    const next = a.committed().next();
    expect(() => a.committed({ from: 0 })).toThrow('from must be an integer');
    expect(() => a.committed({ form: 1 } as never)).toThrow('form');
    await a.close(atOnce);
    expect(await next).toEqual({ done: true, value: undefined });
  });

  it('a feed rejects when a snapshot has replaced commands that it has not read', async () => {
    await nodes.bootstrap('a');
    const a = await open('a');
    await nodes.clock.until(() => a.isLeader);
    await propose('x');
    await runToOutcome(nodes, a.snapshot());
    expect(a.status().base).toBeGreaterThan(1);
    await propose('y');
    const feed = a.committed({ from: 1 });
    expect(await outcome(feed.next())).toBe('KONTIKI_COMPACTED');
  });
});
