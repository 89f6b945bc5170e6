// Shows that data from two different histories is never merged. A node stops or refuses to start
// when its stores or its leader contradict its committed entries.
import { beforeEach, describe, expect, it } from 'vitest';
import { bootstrap, MemoryLog, MemorySnapshots, type LogState, type RaftNode } from '@kontiki/core';
import { encodeSnapshot } from '@kontiki/core/wire';
import { atOnce, bytes, outcome, runToOutcome } from './harness.js';
import { cluster, machines, nodes, open, runToEnd, stores, write } from './snapshot-harness.js';

async function* one(text: string): AsyncIterable<Uint8Array> {
  yield bytes(text);
}

/** Stops a server and returns its log's state. */
async function stop(id: string): Promise<LogState> {
  await nodes.get(id).close(atOnce);
  nodes.nodes.delete(id);
  const log = nodes.logs.get(id) as MemoryLog;
  const state = await log.open({ cluster: 'test', server: id });
  await log.close();
  return state;
}

/**
 * Replaces the log of a stopped server with a newly bootstrapped log, as if its folder had been
 * lost.
 */
async function loseLog(id: string, ...members: string[]): Promise<void> {
  nodes.logs.set(id, new MemoryLog());
  const infos = Object.fromEntries(
    members.map((one) => [one, { address: `memory:${one}`, metadata: `http://${one}` }]),
  );
  await bootstrap(nodes.logs.get(id) as MemoryLog, { cluster: 'test', server: id, members: infos });
}

describe('a lost log next to kept snapshots', () => {
  beforeEach(async () => {
    await cluster(['a', 'b', 'c']);
    await write(5);
    await runToEnd(nodes.get('b').snapshot());
    await stop('b');
  });

  it('open refuses a log that was bootstrapped again although snapshots exist', async () => {
    await loseLog('b', 'a', 'b', 'c');
    expect(await outcome(open('b'))).toBe('KONTIKI_LOST_DATA');
  });

  it('open refuses a blank log next to a snapshot', async () => {
    nodes.logs.set('b', new MemoryLog());
    expect(await outcome(open('b'))).toBe('KONTIKI_LOST_DATA');
  });

  it('open refuses a log whose vote is older than a snapshot', async () => {
    await loseLog('b', 'a', 'b', 'c');
    const log = nodes.logs.get('b') as MemoryLog;
    await log.open({ cluster: 'test', server: 'b' });
    await log.append({ ballot: { term: 1, votedFor: 'a' } });
    await log.close();
    expect(await outcome(open('b'))).toBe('KONTIKI_LOST_DATA');
  });
});

describe('a bootstrapped log without a ballot', () => {
  it('a server with only the bootstrap entry takes no snapshot and can restart', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const snapshotPolicy = { maxEntries: 1, maxAgeMs: 1_000 };
    const node = await open('a', { snapshotPolicy });
    await nodes.clock.elapse(5_000);
    expect(node.status()).toMatchObject({ applied: 1, votedFor: undefined });
    expect(await runToOutcome(nodes, node.snapshot())).toBe('KONTIKI_NO_SNAPSHOT');
    await stop('a');
    for (const id of ['a', 'b', 'c']) await open(id, { snapshotPolicy });
    await nodes.clock.until(() => nodes.leader !== undefined);
    await write(1);
    expect((await stores.get('a')?.list())?.length).toBeGreaterThan(0);
  });
});

describe('contradicting snapshots', () => {
  it('open refuses a snapshot that contradicts a committed entry, and changes nothing', async () => {
    await cluster(['a']);
    await write(10);
    const state = await stop('a');
    const store = new MemorySnapshots();
    await store.open({ cluster: 'test', server: 'a' });
    const [membership] = state.memberships;
    if (membership === undefined || state.genesis === undefined) throw new Error('the log is blank');
    const last = { index: 5, term: 1 };
    const meta = { id: '0'.repeat(32), cluster: 'test', last, membership, genesis: state.genesis, version: 0 };
    const writer = await store.create(meta);
    for await (const piece of encodeSnapshot(meta, one('1\nother\n'))) await writer.write(piece);
    await writer.finish();
    await store.close();
    stores.set('a', store);
    expect(await outcome(open('a'))).toBe('KONTIKI_CONTRADICTION');
    stores.delete('a');
    await open('a');
    await nodes.clock.until(() => nodes.leader !== undefined);
    expect(nodes.get('a').status().last).toBeGreaterThan(state.last);
  });
});

describe('folders restored from an older copy', () => {
  it('a server stops and keeps its data if a majority was restored from old copies', async () => {
    const leader = await cluster(['a', 'b', 'c']);
    const others = ['a', 'b', 'c'].filter((id) => id !== leader.id);
    await write(2);
    const copies = new Map(others.map((id) => [id, copyOf(nodes.logs.get(id) as MemoryLog, id)]));
    await write(3, 'late');
    const { last } = await stop(leader.id);
    for (const id of others) {
      await stop(id);
      nodes.logs.set(id, await (copies.get(id) as Promise<MemoryLog>));
      await open(id);
    }
    await nodes.clock.until(() => nodes.leader !== undefined);
    await write(6, 'other');
    const again = await open(leader.id);
    let fatal: unknown;
    again.on('fatal', ({ error }) => (fatal = error));
    await nodes.clock.until(() => again.status().role === 'failed');
    expect(fatal).toMatchObject({ code: 'KONTIKI_CONTRADICTION' });
    expect(machines.get(leader.id)?.commands).not.toContain('other0');
    expect(again.status().last).toBeGreaterThanOrEqual(last);
    expect(await runToOutcome(nodes, (nodes.leader as RaftNode<number>).propose(bytes('z')))).toMatchObject({});
  });
});

/** Returns a copy of a log with the same entries, ballot and identity. */
async function copyOf(log: MemoryLog, server: string): Promise<MemoryLog> {
  const status = nodes.get(server).status();
  const entries = await log.read(1, status.durable, Infinity);
  const copy = new MemoryLog();
  await copy.open({ cluster: 'test', server });
  const life = { id: 'abc'.indexOf(server) + 1, starts: 2 };
  await copy.append({ ballot: { term: status.term, votedFor: status.votedFor }, life, entries, committed: 1 });
  await copy.close();
  return copy;
}
