// Shows how a leader performs the membership calls that other servers delegate to it, and when it ends
// them.
import { afterEach, describe, expect, it } from 'vitest';
import type { DelegateReply } from '@kontiki/core/protocol';
import type { Message, RaftNode } from '@kontiki/core';
import { FilteredNodes } from './filtered-nodes.js';
import { atOnce, runToOutcome } from './harness.js';

let nodes = new FilteredNodes();
afterEach(async () => {
  await nodes.close();
  nodes = new FilteredNodes();
});

const transportOf: FilteredNodes['transportOf'] = (node) => nodes.transportOf(node);
const open: FilteredNodes['open'] = (id, options) => nodes.open(id, options);
const cluster: FilteredNodes['led'] = (options) => nodes.led(options);
const run = (promise: Promise<unknown>): Promise<unknown> => runToOutcome(nodes, promise);

const delegates = (node: RaftNode<number>): Message[] =>
  transportOf(node).sent.filter(({ kind }) => kind === 'delegate');

describe('a leader that performs calls of other servers', () => {
  it('a delegated call that arrives twice is performed once', async () => {
    const [leader, follower] = await cluster();
    await run(follower.members.setMetadata('a', 'first'));
    const [again] = delegates(follower);
    await run(follower.members.setMetadata('a', 'second'));
    transportOf(follower).send(leader.id, [again as Message]);
    await nodes.clock.elapse(1_000);
    expect(leader.status().membership?.servers.get('a')?.metadata).toBe('second');
  });

  it('an aborted call ends on the leader, and the new server stays a learner', async () => {
    const [leader, follower] = await cluster();
    const controller = new AbortController();
    const adding = follower.members.addVoter('d', 'memory:d', { signal: controller.signal });
    await nodes.clock.until(() => leader.status().membership?.learners.includes('d') === true);
    controller.abort();
    expect(await run(adding)).toBe('KONTIKI_UNKNOWN_OUTCOME');
    await nodes.clock.elapse(100);
    await open('d');
    await nodes.clock.elapse(10_000);
    expect(leader.status().membership?.learners).toContain('d');
  });

  it('a leader ends the calls of a server that has stopped', async () => {
    const [leader, follower] = await cluster();
    const other = nodes.followers.find(({ id }) => id !== follower.id) as RaftNode<number>;
    await run(follower.members.addLearner('d', 'memory:d'));
    const waiting = Array.from({ length: 64 }, () => follower.members.addVoter('d', 'memory:d'));
    const ended = Promise.allSettled(waiting);
    await nodes.clock.elapse(1_000);
    await follower.close(atOnce);
    await ended;
    await nodes.clock.elapse(2_000);
    expect(await run(other.members.setMetadata('a', 'new'))).toMatchObject({ revision: 2 });
    await open('d');
    await nodes.clock.elapse(10_000);
    expect(leader.status().membership?.learners).toContain('d');
  });

  it('a leader ends the calls of a server that restarted before its first answer', async () => {
    const [leader, follower] = await cluster();
    const other = nodes.followers.find(({ id }) => id !== follower.id) as RaftNode<number>;
    await run(follower.members.addLearner('d', 'memory:d'));
    await follower.close(atOnce);
    await nodes.clock.elapse(100);
    const restarted = await open(follower.id);
    transportOf(restarted).hold = 'heartbeatReply';
    await nodes.clock.until(() => restarted.leader !== undefined);
    const ended = Promise.allSettled(Array.from({ length: 64 }, () => restarted.members.addVoter('d', 'memory:d')));
    await nodes.clock.elapse(20);
    await restarted.close(atOnce);
    await ended;
    await open(follower.id);
    await nodes.clock.elapse(10_000);
    expect(leader.isLeader).toBe(true);
    expect(await run(other.members.setMetadata('a', 'new'))).toMatchObject({ revision: 2 });
  });

  it('a call whose cancellation is lost ends with the next report', async () => {
    const [leader, follower] = await cluster();
    const controller = new AbortController();
    const adding = follower.members.addVoter('d', 'memory:d', { signal: controller.signal });
    await nodes.clock.until(() => leader.status().membership?.learners.includes('d') === true);
    nodes.network.isolate(follower.id);
    controller.abort();
    expect(await run(adding)).toBe('KONTIKI_UNKNOWN_OUTCOME');
    await nodes.clock.elapse(20);
    nodes.network.heal();
    await nodes.clock.elapse(200);
    await open('d');
    await nodes.clock.elapse(10_000);
    expect(leader.status().membership?.learners).toContain('d');
  });

  it('a leader performs at most 64 delegated calls at a time', async () => {
    const [, follower] = await cluster();
    await run(follower.members.addLearner('d', 'memory:d'));
    const waiting = Array.from({ length: 64 }, () => follower.members.addVoter('d', 'memory:d'));
    const ended = Promise.allSettled(waiting);
    await nodes.clock.elapse(1_000);
    expect(await run(follower.members.setMetadata('a', 'new'))).toBe('KONTIKI_OVERLOADED');
    await open('d');
    const settled = (await run(ended)) as PromiseSettledResult<unknown>[];
    expect(settled.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect(await run(follower.members.setMetadata('a', 'new'))).toMatchObject({ revision: expect.any(Number) });
  });

  it.each<[string, string, string]>([
    ['no JSON', '{', 'KONTIKI_PROTOCOL'],
    ['no object', '7', 'KONTIKI_PROTOCOL'],
    ['an unknown call', '{"name":"toString","args":[],"options":{}}', 'KONTIKI_PROTOCOL'],
    ['a call without arguments', '{"name":"change","args":[],"options":{}}', 'KONTIKI_BAD_OPTION'],
    ['arguments of wrong types', '{"name":"reconcile","args":[null],"options":{}}', 'KONTIKI_BAD_OPTION'],
    ['an unknown option', '{"name":"raiseLevel","args":[],"options":{"x":1}}', 'KONTIKI_BAD_OPTION'],
    ['too many bytes', `"${'x'.repeat(300_000)}"`, 'KONTIKI_TOO_LARGE'],
  ])('a request with %s is answered with an error', async (_, json, code) => {
    const [leader, follower] = await cluster();
    const { term } = leader.status();
    const request = new TextEncoder().encode(json);
    const [{ incarnation }] = transportOf(follower).sent as [Message];
    const forged: Message = { kind: 'delegate', term, incarnation, ticket: 1, request };
    transportOf(follower).send(leader.id, [forged]);
    await nodes.clock.elapse(100);
    const reply = transportOf(leader).sent.findLast(({ kind }) => kind === 'delegateReply') as DelegateReply;
    expect(JSON.parse(new TextDecoder().decode(reply.reply))).toMatchObject({ kind: 'failed', error: { code } });
    expect(leader.isLeader).toBe(true);
  });
});
