import { describe, expect, it } from 'vitest';
import type { RaftNode } from '@kontiki/core';
import { atOnce, outcome, runToOutcome } from './harness.js';
import { cluster, nodes, open } from './snapshot-harness.js';

describe('waiting for a leader and for events', () => {
  it('waitForLeader resolves immediately on a server that knows the leader', async () => {
    await cluster(['a', 'b', 'c']);
    await nodes.clock.elapse(200);
    const { id } = nodes.leader as RaftNode<number>;
    for (const node of nodes.nodes.values())
      expect(await node.waitForLeader()).toEqual({ id, address: `memory:${id}`, metadata: `http://${id}` });
  });

  it('waitForLeader resolves once a leader is elected', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const waiting = [];
    for (const id of ['a', 'b', 'c']) waiting.push((await open(id)).waitForLeader());
    const leaders = (await runToOutcome(nodes, Promise.all(waiting))) as { id: string }[];
    expect(leaders.map(({ id }) => id)).toEqual(leaders.map(() => nodes.leader?.id));
  });

  it('waitForLeader rejects when the node is closed', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await open('a');
    const waiting = outcome(a.waitForLeader());
    await a.close(atOnce);
    expect(await waiting).toBe('KONTIKI_CLOSED');
  });

  it('once resolves with the next event and ignores later events', async () => {
    await nodes.bootstrap('a');
    const a = await open('a');
    const term = a.once('term');
    await nodes.clock.until(() => a.isLeader);
    expect(await term).toEqual({ term: 2, previous: 1 });
  });

  it('an aborted signal removes the listener, or prevents it from being added', async () => {
    await nodes.bootstrap('a');
    const a = await open('a');
    const controller = new AbortController();
    const terms: number[] = [];
    const listener = ({ term }: { term: number }): unknown => terms.push(term);
    a.on('term', listener, { signal: controller.signal });
    a.on('term', listener, { signal: AbortSignal.abort() });
    controller.abort();
    await nodes.clock.until(() => a.isLeader);
    expect(terms).toEqual([]);
  });
});
