// Shows that any server accepts proposals. A proposal waits for a leader and is sent to it. The
// proposal then settles with the result of the server's own state machine, or with an error. The
// error reports whether the command may have been applied.
import { afterEach, describe, expect, it } from 'vitest';
import type { KontikiError, RaftNode } from '@kontiki/core';
import { FilteredNodes } from './filtered-nodes.js';
import { atOnce, bytes, outcome, runToOutcome } from './harness.js';

let nodes = new FilteredNodes();
afterEach(async () => {
  await nodes.close();
  nodes = new FilteredNodes();
});

const transportOf: FilteredNodes['transportOf'] = (node) => nodes.transportOf(node);
const open: FilteredNodes['open'] = (id, options) => nodes.open(id, options);
const cluster: FilteredNodes['led'] = (options) => nodes.led(options);

/** Proposes a command and waits for its outcome. */
const run = (promise: Promise<unknown>): Promise<unknown> => runToOutcome(nodes, promise);

describe('a server that does not lead', () => {
  it('propose on a follower resolves with the result of its own state machine', async () => {
    const [leader, follower] = await cluster();
    expect(await run(leader.propose(bytes('x')))).toMatchObject({ result: 1 });
    const applied = await run(follower.propose(bytes('y')));
    expect(applied).toEqual({ index: follower.status().applied, term: leader.status().term, result: 2 });
    expect(nodes.machine(follower.id).commands).toEqual(['x', 'y']);
  });

  it('propose on a follower sends all waiting commands in one message, in order', async () => {
    const [leader, follower] = await cluster();
    const many = Array.from({ length: 100 }, (_, i) => follower.propose(bytes(`${i}`)));
    await run(Promise.all(many));
    expect(transportOf(follower).sent.filter(({ kind }) => kind === 'propose')).toHaveLength(1);
    expect(nodes.machine(leader.id).commands).toEqual(many.map((_, i) => `${i}`));
  });

  it('propose waits for a leader', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await open('a');
    const proposed = outcome(a.propose(bytes('x')));
    await nodes.clock.elapse(1_000);
    await open('b');
    expect(await run(proposed)).toMatchObject({ result: 1 });
  });

  it('propose without a leader rejects with KONTIKI_TIMEOUT, and is never applied', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await open('a');
    expect(await run(a.propose(bytes('x'), { timeout: 500 }))).toBe('KONTIKI_TIMEOUT');
    await open('b');
    await run(a.propose(bytes('y')));
    expect(nodes.machine('a').commands).toEqual(['y']);
  });

  it('propose with forward: false rejects with an error that names the leader', async () => {
    const [leader, follower] = await cluster();
    const refused = follower.propose(bytes('x'), { forward: false });
    await expect(refused).rejects.toMatchObject({ code: 'KONTIKI_NOT_LEADER', leader: { id: leader.id } });
    expect(await outcome(follower.propose(bytes('x'), { forward: 1 as never }))).toBe('KONTIKI_BAD_OPTION');
  });

  it('propose refuses more bytes than limits.uncommittedBytes', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await open('a', { limits: { uncommittedBytes: 300 } });
    const waiting = outcome(a.propose(new Uint8Array(200), { timeout: 100 }));
    expect(await outcome(a.propose(new Uint8Array(200)))).toBe('KONTIKI_OVERLOADED');
    expect(await run(waiting)).toBe('KONTIKI_TIMEOUT');
    // The proposal that timed out no longer takes up space in the queue.
    expect(await run(a.propose(new Uint8Array(200), { timeout: 100 }))).toBe('KONTIKI_TIMEOUT');
  });
});

describe('a forwarded proposal', () => {
  it('a forwarded proposal that a former leader refused is sent to the next leader', async () => {
    const [leader, follower] = await cluster();
    const other = nodes.followers.find(({ id }) => id !== follower.id) as RaftNode<number>;
    const transport = transportOf(follower);
    transport.hold = 'propose';
    const proposed = outcome(follower.propose(bytes('x')));
    await nodes.clock.elapse(10);
    await run(leader.members.transferLeadership(other.id));
    transport.release();
    expect(await run(proposed)).toMatchObject({ result: 1 });
    expect(transport.sent.filter(({ kind }) => kind === 'propose')).toHaveLength(2);
  });

  it('a forwarded proposal succeeds while the leader transfers leadership and closes', async () => {
    const [leader, follower] = await cluster();
    const outcomes: Promise<unknown>[] = [];
    const propose = (): void => void outcomes.push(outcome(follower.propose(bytes('x'))));
    for (let i = 0; i < 20; i += 1) {
      propose();
      await nodes.clock.elapse(1);
    }
    const closed = leader.close();
    for (let i = 0; i < 200; i += 1) {
      propose();
      await nodes.clock.elapse(1);
    }
    await run(closed);
    const results = (await run(Promise.all(outcomes))) as { result?: number }[];
    const inOrder = results.map(({ result = 0 }) => result).sort((a, b) => a - b);
    expect(inOrder).toEqual(results.map((_, i) => i + 1));
  });

  it('a forwarded proposal resolves even if its entry is applied before the answer', async () => {
    const [leader, follower] = await cluster();
    transportOf(leader).hold = 'proposeReply';
    const proposed = outcome(follower.propose(bytes('x')));
    await nodes.clock.until(() => nodes.machine(follower.id).commands.length === 1);
    transportOf(leader).release();
    expect(await run(proposed)).toMatchObject({ result: 1 });
  });

  it('a forwarded proposal rejects if another entry was applied before the answer', async () => {
    const [leader, follower] = await cluster();
    transportOf(leader).hold = 'proposeReply';
    // The leader appends the command, but another server becomes leader before any other server has
    // received the entry.
    for (const { id } of nodes.followers) nodes.network.cut(leader.id, id);
    const proposed = outcome(follower.propose(bytes('x')));
    await nodes.clock.until(() => nodes.leader?.id !== leader.id);
    await run((nodes.leader as RaftNode<number>).propose(bytes('y')));
    nodes.network.heal();
    transportOf(leader).release();
    expect(await run(proposed)).toBe('KONTIKI_REPLACED');
  });

  it('a forwarded proposal has an unknown outcome if the answer is lost', async () => {
    const [leader, follower] = await cluster();
    transportOf(leader).hold = 'proposeReply';
    const error = await run(follower.propose(bytes('x'), { timeout: 500 }).catch((caught: unknown) => caught));
    expect(error).toMatchObject({
      code: 'KONTIKI_UNKNOWN_OUTCOME',
      message: expect.stringContaining('sent to the leader'),
      cause: { code: 'KONTIKI_TIMEOUT' },
    });
    expect(nodes.machine(follower.id).commands).toEqual(['x']);
  });

  it('a forwarded proposal that is aborted before it is sent is never applied', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await open('a');
    const controller = new AbortController();
    const proposed = outcome(a.propose(bytes('x'), { signal: controller.signal }));
    await nodes.clock.elapse(100);
    controller.abort();
    expect(await proposed).toBe('KONTIKI_ABORTED');
    await open('b');
    await run(a.propose(bytes('y')));
    expect(nodes.machine('a').commands).toEqual(['y']);
  });

  it('a forwarded proposal rejects with the refusal of an overloaded leader', async () => {
    const [leader, follower] = await cluster({ limits: { uncommittedBytes: 300 } });
    transportOf(leader).hold = 'append';
    void outcome(leader.propose(new Uint8Array(200)));
    expect(await run(follower.propose(new Uint8Array(200)))).toBe('KONTIKI_OVERLOADED');
  });

  it('a closing follower first waits for its forwarded proposals', async () => {
    const [, follower] = await cluster();
    const sent = Array.from({ length: 10 }, () => outcome(follower.propose(bytes('x'))));
    await nodes.clock.settle();
    const closed = follower.close();
    const refused = outcome(follower.propose(bytes('y')));
    await run(closed);
    expect(await refused).toBe('KONTIKI_CLOSED');
    expect(await Promise.all(sent)).toMatchObject(sent.map((_, i) => ({ result: i + 1 })));
  });

  it('a follower that closes without a leader does not wait for its proposals', async () => {
    const [leader, follower] = await cluster();
    transportOf(leader).hold = 'proposeReply';
    const sent = outcome(follower.propose(bytes('x')));
    await nodes.clock.settle();
    nodes.network.isolate(follower.id);
    await run(follower.close({ timeout: 60_000 }));
    expect(await sent).toBe('KONTIKI_UNKNOWN_OUTCOME');
    expect(nodes.clock.now()).toBeLessThan(10_000);
  });

  it('a closing node rejects proposals, with a known or an unknown outcome', async () => {
    const [leader, follower] = await cluster();
    transportOf(leader).hold = 'proposeReply';
    const sent = outcome(follower.propose(bytes('x')));
    await nodes.clock.until(() => nodes.machine(follower.id).commands.length === 1);
    nodes.network.isolate(follower.id);
    await nodes.clock.until(() => follower.leader === undefined);
    const waiting = outcome(follower.propose(bytes('y')));
    await nodes.clock.elapse(10);
    await follower.close(atOnce);
    expect([await sent, await waiting]).toEqual(['KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_CLOSED']);
  });
});

it('a proposal on a leader waits for a pending transfer and is applied once', async () => {
  const [leader, follower] = await cluster();
  const handedOver = leader.members.transferLeadership(follower.id);
  await nodes.clock.settle();
  const during = outcome(leader.propose(bytes('x')));
  const refused = leader.propose(bytes('y'), { forward: false }).catch(({ code }: KontikiError) => code);
  await run(handedOver);
  expect(await run(during)).toMatchObject({ result: 1 });
  expect(['KONTIKI_TRANSFERRING', 'KONTIKI_NOT_LEADER']).toContain(await refused);
  expect(nodes.machine(leader.id).commands).toEqual(['x']);
});
