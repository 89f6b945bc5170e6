// Shows every outcome of proposals and reads: success, refusal or unknown. Runs whole nodes on
// virtual time.
import { afterEach, describe, expect, it } from 'vitest';
import {
  bootstrap,
  type KontikiError,
  MemoryLog,
  MemoryNetwork,
  NotLeaderError,
  RaftNode,
  type ApplyBatch,
} from '@kontiki/core';
import { atOnce, bytes, runToOutcome, GatedLog, Nodes, outcome } from './harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

/** Starts a cluster of three servers with small limits. Resolves with the leader. */
async function limitedLeader(): Promise<RaftNode<number>> {
  await nodes.bootstrap('a', 'b', 'c');
  for (const id of ['a', 'b', 'c'])
    await nodes.open(id, { maxCommandBytes: 2_000, limits: { uncommittedBytes: 3_000 } });
  await nodes.clock.until(() => nodes.leader !== undefined);
  return nodes.leader as RaftNode<number>;
}

describe('outcomes of proposals and reads', () => {
  it('a follower with forwarding disabled rejects a proposal, naming the leader', async () => {
    await nodes.cluster('a', 'b', 'c');
    await nodes.clock.elapse(100);
    const leader = (nodes.leader as RaftNode<number>).id;
    const error = await (nodes.followers[0] as RaftNode<number>)
      .propose(bytes('x'), { forward: false })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NotLeaderError);
    expect((error as NotLeaderError).leader).toEqual({
      id: leader,
      address: `memory:${leader}`,
      metadata: `http://${leader}`,
    });
  });

  it('a server with forwarding disabled names no leader if it knows none', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    await nodes.open('a');
    const error = (await nodes
      .get('a')
      .propose(bytes('x'), { forward: false })
      .catch((e: unknown) => e)) as NotLeaderError;
    expect(error.leader).toBe(undefined);
  });

  it('propose rejects invalid commands, invalid timeouts and aborted signals', async () => {
    const leader = await limitedLeader();
    expect(await outcome(leader.propose(new Uint8Array(2_001)))).toBe('KONTIKI_TOO_LARGE');
    expect(await outcome(leader.propose('x' as never))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(leader.propose(bytes('x'), { timeout: -1 }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(leader.propose(bytes('x'), { signal: AbortSignal.abort() }))).toBe('KONTIKI_ABORTED');
  });

  it('propose rejects with KONTIKI_OVERLOADED beyond uncommittedBytes', async () => {
    const leader = await limitedLeader();
    nodes.network.isolate(leader.id);
    const waiting = leader.propose(new Uint8Array(2_000));
    expect(await outcome(leader.propose(new Uint8Array(2_000)))).toBe('KONTIKI_OVERLOADED');
    await nodes.clock.elapse(10);
    expect(await outcome(leader.propose(new Uint8Array(2_000)))).toBe('KONTIKI_OVERLOADED');
    nodes.network.heal();
    expect(await runToOutcome(nodes, waiting)).toMatchObject({ result: 1 });
  });

  it('a proposal is rejected if another entry is committed at its index (bugs.md#65)', async () => {
    await nodes.cluster('a', 'b', 'c');
    const old = nodes.leader as RaftNode<number>;
    nodes.network.isolate(old.id);
    const lost = old.propose(bytes('lost'));
    await nodes.clock.until(() => nodes.leader !== old);
    await runToOutcome(nodes, (nodes.leader as RaftNode<number>).propose(bytes('won')));
    nodes.network.heal();
    expect(await runToOutcome(nodes, lost)).toBe('KONTIKI_REPLACED');
    expect(nodes.machine(old.id).commands).toEqual(['won']);
  });

  it('all proposals of a deposed leader are rejected once the next leader commits an entry', async () => {
    await nodes.cluster('a', 'b', 'c');
    const old = nodes.leader as RaftNode<number>;
    nodes.network.isolate(old.id);
    const lost = ['1', '2', '3', '4', '5'].map((command) => outcome(old.propose(bytes(command), { timeout: 60_000 })));
    await nodes.clock.until(() => nodes.leader !== old);
    nodes.network.heal();
    const before = nodes.clock.now();
    expect(await runToOutcome(nodes, Promise.all(lost))).toEqual(lost.map(() => 'KONTIKI_REPLACED'));
    expect(nodes.clock.now() - before).toBeLessThan(1_000);
  });

  it("a deposed leader's proposal succeeds if the next leader commits it", async () => {
    await nodes.cluster('a', 'b', 'c');
    await nodes.clock.elapse(100);
    const old = nodes.leader as RaftNode<number>;
    const others = [...nodes.nodes.keys()].filter((id) => id !== old.id);
    // Appends arrive, but their acknowledgements are lost.
    for (const id of others) nodes.network.cut(id, old.id);
    const result = old.propose(bytes('x'));
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.leader !== old);
    nodes.network.heal();
    expect(await runToOutcome(nodes, result)).toMatchObject({ index: 3, term: 2, result: 1 });
  });

  it('an appended proposal has an unknown outcome after a timeout, abort or close', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    nodes.network.isolate(leader.id);
    const controller = new AbortController();
    const late = leader.propose(bytes('1'), { timeout: 100 });
    const aborted = leader.propose(bytes('2'), { signal: controller.signal });
    const closed = leader.propose(bytes('3'));
    await nodes.clock.elapse(10);
    controller.abort(new Error('enough'));
    const codes = (promise: Promise<unknown>): Promise<unknown> =>
      promise.catch((error: KontikiError) => [error.code, (error.cause as KontikiError).code]);
    expect(await codes(aborted)).toEqual(['KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_ABORTED']);
    const lateEnd = codes(late);
    await nodes.clock.elapse(200);
    expect(await lateEnd).toEqual(['KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_TIMEOUT']);
    const closedEnd = codes(closed);
    await leader.close(atOnce);
    expect(await closedEnd).toEqual(['KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_CLOSED']);
  });

  it('a queued proposal is rejected as not appended after an abort or a close', async () => {
    await nodes.cluster('a');
    const node = nodes.get('a');
    const controller = new AbortController();
    const aborted = outcome(node.propose(bytes('1'), { signal: controller.signal }));
    controller.abort();
    const closed = outcome(node.propose(bytes('2')));
    await node.close(atOnce);
    expect(await aborted).toBe('KONTIKI_ABORTED');
    expect(await closed).toBe('KONTIKI_CLOSED');
    expect(nodes.machine('a').commands).toEqual([]);
  });

  // bugs.md#l5, bugs.md#l6
  it('calls on a closed node reject with KONTIKI_CLOSED, and close is idempotent', async () => {
    await nodes.cluster('a');
    const node = nodes.get('a');
    await node.close(atOnce);
    await node.close(atOnce);
    expect(await outcome(node.propose(bytes('3')))).toBe('KONTIKI_CLOSED');
    expect(await outcome(node.read(() => 1))).toBe('KONTIKI_CLOSED');
    expect(node.status().role).toBe('closed');
  });

  it('a single server resolves a proposal only after it is durable (bugs.md#116)', async () => {
    const log = new GatedLog();
    nodes.logs.set('a', log);
    await nodes.cluster('a');
    log.hold();
    let done = false;
    const result = nodes
      .get('a')
      .propose(bytes('x'))
      .finally(() => (done = true));
    await nodes.clock.elapse(1_000);
    expect(done).toBe(false);
    log.release();
    expect(await runToOutcome(nodes, result)).toMatchObject({ result: 1 });
  });

  it('a proposal resolves only after its entry is durable on a majority', async () => {
    const logs = new Map(['a', 'b'].map((id) => [id, new GatedLog()]));
    for (const [id, log] of logs) nodes.logs.set(id, log);
    await nodes.cluster('a', 'b');
    await nodes.clock.elapse(200);
    const follower = nodes.followers[0] as RaftNode<number>;
    logs.get(follower.id)?.hold();
    let done = false;
    const result = (nodes.leader as RaftNode<number>).propose(bytes('x')).finally(() => (done = true));
    await nodes.clock.elapse(1_000);
    expect(done).toBe(false);
    expect(follower.status()).toMatchObject({ last: 3, durable: 2 });
    logs.get(follower.id)?.release();
    expect(await runToOutcome(nodes, result)).toMatchObject({ result: 1 });
  });

  it('a read is rejected if 65,536 reads are waiting for a leader', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const alone = await nodes.open('a');
    const waiting = Array.from({ length: 65_536 }, () => outcome(alone.read(() => 1)));
    expect(await outcome(alone.read(() => 1))).toBe('KONTIKI_OVERLOADED');
    await alone.close(atOnce);
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['KONTIKI_CLOSED']));
  });

  it('a read is rejected if 65,536 reads are waiting for the state machine', async () => {
    let release = (): void => {};
    const stuck = new Promise<void>((resolve) => (release = resolve));
    const log = new MemoryLog();
    await bootstrap(log, { cluster: 'test', server: 'a', members: { a: 'a' } });
    const machine = { apply: ({ entries }: ApplyBatch) => stuck.then(() => entries.map(() => 1)) };
    const { clock } = nodes;
    const transport = new MemoryNetwork({ clock }).transport();
    const node = await RaftNode.open({ id: 'a', cluster: 'test', machine, log, transport, clock });
    await nodes.clock.until(() => node.isLeader);
    const waiting = Array.from({ length: 65_535 }, () => outcome(node.read(() => 1)));
    await nodes.clock.until(() => node.status().committed > 1);
    const local = outcome(node.read(() => 1, { consistency: 'local' }));
    expect(await outcome(node.read(() => 1))).toBe('KONTIKI_OVERLOADED');
    expect(await outcome(node.read(() => 1, { consistency: 'local' }))).toBe('KONTIKI_OVERLOADED');
    release();
    expect(
      await runToOutcome(
        nodes,
        Promise.all([...waiting, local]).then((all) => new Set(all)),
      ),
    ).toEqual(new Set([1]));
    expect(
      await runToOutcome(
        nodes,
        node.read(() => 2),
      ),
    ).toBe(2);
    await node.close(atOnce);
  });

  it('a read rejects with KONTIKI_TIMEOUT at its deadline', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    await nodes.open('a');
    const read = nodes.get('a').read(() => 1, { timeout: 300 });
    expect(await runToOutcome(nodes, read)).toBe('KONTIKI_TIMEOUT');
  });

  it('a read on a server without a leader waits until a leader is elected', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    await nodes.open('a');
    const read = nodes.get('a').read(() => 2);
    await nodes.open('b');
    expect(await runToOutcome(nodes, read)).toBe(2);
  });
});
