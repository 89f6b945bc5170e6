// Shows that every server takes membership calls. A server that does not lead delegates them to the
// leader, and reports the leader's error or that the outcome is unknown.
import { afterEach, describe, expect, it } from 'vitest';
import type { KontikiError, Membership, Message, RaftNode } from '@kontiki/core';
import { FilteredNodes } from './filtered-nodes.js';
import { atOnce, outcome, runToOutcome, SuspendableProcess } from './harness.js';

let nodes = new FilteredNodes();
afterEach(async () => {
  await nodes.close();
  nodes = new FilteredNodes();
});

const transportOf: FilteredNodes['transportOf'] = (node) => nodes.transportOf(node);
const open: FilteredNodes['open'] = (id, options) => nodes.open(id, options);
const cluster: FilteredNodes['led'] = (options) => nodes.led(options);
const run = (promise: Promise<unknown>): Promise<unknown> => runToOutcome(nodes, promise);

/** Resolves with the error of a call. */
const failure = async (promise: Promise<unknown>): Promise<KontikiError> =>
  (await runToOutcome(
    nodes,
    promise.then(
      () => expect.fail('the call succeeded'),
      (error: unknown) => error,
    ),
  )) as KontikiError;

function abortable(): { readonly signal: AbortSignal; readonly abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

const votersOf = (membership: unknown): readonly string[] => (membership as Membership).voters;
const delegates = (node: RaftNode<number>): Message[] =>
  transportOf(node).sent.filter(({ kind }) => kind === 'delegate');

describe('a membership call on a follower', () => {
  it('every membership call on a follower takes effect there before it resolves', async () => {
    const [, follower] = await cluster();
    const { members } = follower;
    await open('d');
    await open('e');
    const progress: number[] = [];
    const onProgress = ({ match }: { readonly match: number }): number => progress.push(match);
    expect(votersOf(await run(members.addVoter('d', 'memory:d', { onProgress })))).toContain('d');
    expect(progress.at(-1)).toBeGreaterThan(1);
    expect(follower.status().membership?.voters).toContain('d');
    expect(votersOf(await run(members.replace('d', 'e', 'memory:e')))).toEqual(expect.not.arrayContaining(['d']));
    expect(votersOf(await run(members.demote('e')))).not.toContain('e');
    expect(votersOf(await run(members.promote('e')))).toContain('e');
    expect(await run(members.setMetadata('e', 'http://e'))).toMatchObject({ voters: expect.anything() });
    expect(follower.status().membership?.servers.get('e')?.metadata).toBe('http://e');
    expect(await run(members.setLease(100))).toMatchObject({ leaseMs: 100 });
    const { a, b, c } = { a: 'memory:a', b: 'memory:b', c: 'memory:c' };
    expect(await run(members.reconcile({ a, b, c }, { dryRun: true }))).toEqual([{ kind: 'remove', id: 'e' }]);
    expect(await run(members.reconcile({ a, b, c }))).toEqual([{ kind: 'remove', id: 'e' }]);
    expect(follower.status().membership?.servers.has('e')).toBe(false);
    expect(await run(members.transferLeadership(follower.id))).toMatchObject({ id: follower.id });
    expect(follower.isLeader).toBe(true);
  });

  it('a server that removes itself gets the outcome of its removal', async () => {
    const [, follower] = await cluster();
    expect(votersOf(await run(follower.members.remove(follower.id)))).not.toContain(follower.id);
  });

  it('a refusal of the leader reaches the caller with its code and message', async () => {
    const [leader, follower] = await cluster();
    const there = await failure(leader.members.remove('x'));
    const here = await failure(follower.members.remove('x'));
    expect([here.code, here.message]).toEqual([there.code, there.message]);
    for (const { members } of [leader, follower]) {
      expect((await failure(members.setLease(1))).code).toBe('KONTIKI_BAD_OPTION');
      expect((await failure(members.transferLeadership(null as never))).code).toBe('KONTIKI_BAD_OPTION');
    }
    expect((await failure(follower.members.remove('a', { expected: 99 }))).code).toBe('KONTIKI_REVISION');
    expect(delegates(follower)).toHaveLength(4);
  });

  it('a call waits for a leader', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await open('a');
    const changed = a.members.setMetadata('a', 'new', { timeout: 5_000 });
    await nodes.clock.elapse(1_000);
    await open('b');
    expect(await run(changed)).toMatchObject({ revision: 1 });
  });

  it('a call without a leader rejects with KONTIKI_TIMEOUT, and is never made', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await open('a');
    expect(await run(a.members.setMetadata('a', 'new', { timeout: 500 }))).toBe('KONTIKI_TIMEOUT');
    await open('b');
    await nodes.clock.elapse(5_000);
    expect(a.status().membership?.servers.get('a')?.metadata).not.toBe('new');
  });

  it('a follower refuses a call with forward: false or an invalid forward', async () => {
    const [leader, follower] = await cluster();
    const refused = await failure(follower.members.transferLeadership(undefined, { forward: false }));
    expect(refused).toMatchObject({ code: 'KONTIKI_NOT_LEADER', leader: { id: leader.id } });
    expect(await run(follower.members.remove('c', { forward: 1 as never }))).toBe('KONTIKI_BAD_OPTION');
    expect(delegates(follower)).toHaveLength(0);
  });

  it('a call with arguments that are too large or not valid JSON is not sent', async () => {
    const [, follower] = await cluster();
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect(await run(follower.members.reconcile(cycle as never))).toBe('KONTIKI_BAD_OPTION');
    expect(await run(follower.members.setMetadata('a', 'x'.repeat(300_000)))).toBe('KONTIKI_TOO_LARGE');
    expect(delegates(follower)).toHaveLength(0);
  });
});

describe('a membership call whose leader fails', () => {
  it('a call that a deposed leader refuses is sent to the next leader', async () => {
    const [leader, follower] = await cluster();
    transportOf(follower).hold = 'delegate';
    const changed = follower.members.setMetadata('a', 'new', { timeout: 60_000 });
    await nodes.clock.elapse(10);
    await run(leader.members.transferLeadership(nodes.followers.at(-1)?.id));
    transportOf(follower).release();
    expect(await run(changed)).toMatchObject({ revision: 1 });
    expect(delegates(follower)).toHaveLength(2);
  });

  it('a call has an unknown outcome if the leader stops reporting', async () => {
    const [leader, follower] = await cluster();
    const adding = follower.members.addVoter('d', 'memory:d');
    await nodes.clock.elapse(10_000);
    await leader.close(atOnce);
    const error = await failure(adding);
    expect(error).toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME', cause: { code: 'KONTIKI_TIMEOUT' } });
  });

  it('a call whose request is lost has an unknown outcome', async () => {
    const [, follower] = await cluster();
    transportOf(follower).hold = 'delegate';
    expect(await run(follower.members.setMetadata('a', 'new'))).toBe('KONTIKI_UNKNOWN_OUTCOME');
    transportOf(follower).release();
  });

  it('a call that times out on the leader rejects with the error of the leader', async () => {
    const [leader, follower] = await cluster();
    for (const { id } of nodes.followers) if (id !== follower.id) await nodes.get(id).close(atOnce);
    // The leader appends the change, but no quorum stores it.
    transportOf(leader).hold = 'append';
    const error = await failure(follower.members.setMetadata('a', 'new', { timeout: 300 }));
    expect(error).toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME', message: expect.stringContaining('was appended') });
  });
});

describe('a membership call that has an error', () => {
  it.each([1, 2, 8])('a call that timed out without a leader is not made by the next one (seed %i)', async (seed) => {
    nodes = new FilteredNodes(seed);
    const timings = { heartbeat: 50, election: 1_000 };
    await nodes.bootstrap('a', 'b', 'c');
    for (const id of ['a', 'b', 'c']) await open(id, { timings });
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.followers.every(({ leader }) => leader));
    const [leader, [follower, other]] = [nodes.leader, nodes.followers] as [
      RaftNode<number>,
      [RaftNode<number>, RaftNode<number>],
    ];
    const start = nodes.clock.now();
    transportOf(follower).hold = 'delegate';
    const call = outcome(follower.members.setMetadata('a', 'ghost', { timeout: 3_000 }));
    await nodes.clock.elapse(10);
    await run(leader.members.transferLeadership(other.id));
    await nodes.clock.elapse(start + 1_000 - nodes.clock.now());
    // The deposed leader refuses the call. After that, no server can lead until the call has timed out.
    await other.close(atOnce);
    transportOf(follower).release();
    await nodes.clock.elapse(5);
    await leader.close(atOnce);
    for (const { id } of [leader, other]) nodes.nodes.delete(id);
    expect(await run(call)).toBe('KONTIKI_TIMEOUT');
    await open(leader.id, { timings });
    await nodes.clock.elapse(20_000);
    await run(nodes.leader!.members.transferLeadership(follower.id));
    await nodes.clock.elapse(5_000);
    expect(follower.status().membership?.servers.get('a')?.metadata).not.toBe('ghost');
  });

  it('a change that this server has not received before its deadline has an unknown outcome', async () => {
    const [leader, follower] = await cluster();
    transportOf(leader).hold = 'append';
    transportOf(leader).holdFor = follower.id;
    const changed = follower.members.setMetadata('a', 'made', { timeout: 2_000 });
    expect(await run(changed)).toBe('KONTIKI_UNKNOWN_OUTCOME');
    expect(leader.status().membership?.servers.get('a')?.metadata).toBe('made');
  });

  it('a change that the calling server makes as the new leader may have an unknown outcome', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await open('a');
    const call = outcome(a.members.setMetadata('a', 'ghost', { timeout: 3_000 }));
    await nodes.clock.elapse(500);
    // Server a campaigns first, so it performs its own call.
    const b = await open('b', { timings: { heartbeat: 50, election: 5_000 } });
    // The other voter stores the change, but its acknowledgement is late.
    a.on('commit', () => (transportOf(b).hold = 'appendAccepted'));
    await nodes.clock.elapse(3_000);
    expect(await run(call)).toBe('KONTIKI_UNKNOWN_OUTCOME');
    transportOf(b).release();
    await nodes.clock.elapse(2_000);
    expect(b.status().membership?.servers.get('a')?.metadata).toBe('ghost');
  });

  it('a call of several steps ends although the calling server receives no entries', async () => {
    const [leader, follower] = await cluster();
    await open('d');
    transportOf(leader).hold = 'append';
    transportOf(leader).holdFor = follower.id;
    const added = follower.members.addVoter('d', 'memory:d', { timeout: 1_000 });
    expect(await run(added)).toBe('KONTIKI_UNKNOWN_OUTCOME');
    expect(leader.status().membership?.voters).toContain('d');
  });

  it('a call on a server that was elected a moment ago waits until it can change the members', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    let call: Promise<unknown> | undefined;
    for (const id of ['a', 'b', 'c']) {
      const node = await open(id);
      node.on('leader', ({ leader }) => {
        if (leader?.id === id) call ??= outcome(node.members.setMetadata('a', 'new'));
      });
    }
    await nodes.clock.until(() => call !== undefined);
    expect(await run(call as Promise<unknown>)).toMatchObject({ revision: 1 });
  });

  it('a call continues after all processes were suspended', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const processes = ['a', 'b', 'c'].map((id) => [id, new SuspendableProcess(nodes.clock)] as const);
    for (const [id, clock] of processes)
      await nodes.open(id, { clock, transport: clock.wrap(nodes.network.transport()) });
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.followers.every(({ leader }) => leader));
    const adding = outcome(nodes.followers[0]!.members.addVoter('d', 'memory:d'));
    await nodes.clock.elapse(1_000);
    for (const [, process] of processes) process.suspend();
    await nodes.clock.elapse(1_000);
    for (const [, process] of processes) process.resume();
    await nodes.clock.elapse(300);
    await open('d');
    expect(votersOf(await run(adding))).toContain('d');
  });

  it('onProgress is called only when the new server has made progress', async () => {
    const [, follower] = await cluster();
    const matches: number[] = [];
    const { signal, abort } = abortable();
    const adding = outcome(
      follower.members.addVoter('d', 'memory:d', { signal, onProgress: ({ match }) => void matches.push(match) }),
    );
    await nodes.clock.elapse(2_000);
    abort();
    await run(adding);
    expect(matches).toEqual([0]);
  });

  it('an exception of onProgress ends the call and not the node', async () => {
    const [leader, follower] = await cluster();
    await open('d');
    const onProgress = (): never => {
      throw new RangeError('of the application');
    };
    const error = await failure(follower.members.addVoter('d', 'memory:d', { onProgress }));
    expect(error).toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME', cause: { message: 'of the application' } });
    expect(follower.status().role).toBe('follower');
    expect(leader.isLeader).toBe(true);
  });

  it('a call of several steps whose leader is deposed has an unknown outcome', async () => {
    const [leader, follower] = await cluster();
    const adding = follower.members.addVoter('d', 'memory:d', { expected: 0 });
    adding.catch(() => {});
    await nodes.clock.until(() => leader.status().membership?.learners.includes('d') === true);
    await run(leader.members.transferLeadership(nodes.followers.find(({ id }) => id !== follower.id)?.id));
    expect(await failure(adding)).toMatchObject({
      code: 'KONTIKI_UNKNOWN_OUTCOME',
      cause: { code: 'KONTIKI_NOT_LEADER' },
    });
  });

  it('a call made right after the start waits until the new leader can change the members', async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      nodes = new FilteredNodes(seed);
      await nodes.bootstrap('a', 'b', 'c');
      for (const id of ['a', 'b', 'c']) await open(id);
      expect(await run(nodes.get('a').members.setMetadata('a', 'new'))).toMatchObject({ revision: 1 });
      await nodes.close();
    }
  });
});
