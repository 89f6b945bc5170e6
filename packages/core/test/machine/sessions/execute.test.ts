// Shows that execute applies a command exactly once when answers are lost, leaders fail or sessions
// end, and what a call without a session gets instead.
import { defineStateMachine, MemoryLog, membershipOf, type TypedNode } from '@kontiki/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { outcome } from '../../node/harness.js';
import { TypedNodes } from '../harness.js';

const list = defineStateMachine({
  initial: () => ({ items: [] as string[] }),
  commands: {
    append: (state, item: string, { session }) => {
      state.items.push(item);
      return { count: state.items.length, hasSession: session !== undefined };
    },
  },
  queries: { items: (state) => state.items },
});
type List = typeof list;

let nodes = new TypedNodes<List>();
let leader: TypedNode<List>;
let follower: TypedNode<List>;
beforeEach(async () => {
  nodes = new TypedNodes<List>();
  leader = await nodes.cluster(list, 'a', 'b', 'c');
  follower = [...nodes.nodes.values()].find(({ raft }) => !raft.isLeader) as TypedNode<List>;
  await nodes.below.clock.until(() => follower.raft.leader !== undefined);
});
afterEach(() => nodes.close());

const run = <T>(promise: Promise<T>): Promise<T> => nodes.run(promise);
const network = (): typeof nodes.below.network => nodes.below.network;

/** Resolves with the items on a server, once it has applied all committed commands. */
async function items(node: TypedNode<List>): Promise<readonly string[]> {
  return (await run(node.query('items'))).result;
}

it('a command is applied once although the answer to its first attempt is lost', async () => {
  await run(follower.execute('append', 'x'));
  network().cut(leader.raft.id, follower.raft.id);
  const appended = follower.execute('append', 'y');
  // The leader appends the command, but its answer does not arrive.
  await nodes.below.clock.until(() => leader.raft.status().committed > 4);
  network().heal();
  expect((await run(appended)).result).toMatchObject({ count: 2 });
  expect(await items(leader)).toEqual(['x', 'y']);
});

it('a command is applied once although its leader fails', async () => {
  await run(follower.execute('append', 'x'));
  const appended = Promise.all(['1', '2', '3'].map((item) => follower.execute('append', item)));
  await nodes.below.clock.elapse(1);
  network().isolate(leader.raft.id);
  await nodes.stop(leader.raft.id);
  await run(appended);
  expect((await items(follower)).toSorted()).toEqual(['1', '2', '3', 'x']);
});

it('without a session, the outcome of a command whose answer is lost is unknown', async () => {
  network().cut(leader.raft.id, follower.raft.id);
  const appended = follower.execute('append', 'y', { session: false, timeout: 1_000 });
  expect(await run(outcome(appended))).toBe('KONTIKI_UNKNOWN_OUTCOME');
});

it('a command continues under a new session after its session has ended', async () => {
  await run(follower.execute('append', 'x'));
  await nodes.below.clock.elapse(700_000);
  expect((await run(follower.execute('append', 'y'))).result).toEqual({ count: 2, hasSession: true });
});

it('a command rejects at its deadline without a leader', async () => {
  for (const id of ['a', 'b', 'c']) if (id !== follower.raft.id) network().isolate(id);
  expect(await run(outcome(follower.execute('append', 'y', { timeout: 3_000 })))).toBe('KONTIKI_TIMEOUT');
});

it('a command that is aborted after it was sent has an unknown outcome', async () => {
  await run(follower.execute('append', 'x'));
  network().cut(leader.raft.id, follower.raft.id);
  const controller = new AbortController();
  const appended = outcome(follower.execute('append', 'y', { signal: controller.signal }));
  await nodes.below.clock.elapse(100);
  controller.abort();
  expect(await run(appended)).toBe('KONTIKI_UNKNOWN_OUTCOME');
});

it('an aborted command does not abort other commands that wait for the same session', async () => {
  const controller = new AbortController();
  const first = outcome(leader.execute('append', 'x', { signal: controller.signal }));
  const second = leader.execute('append', 'y');
  controller.abort();
  expect(await run(first)).toBe('KONTIKI_ABORTED');
  expect((await run(second)).result).toMatchObject({ hasSession: true });
});

it('thousands of commands in flight are applied once each', async () => {
  const commands = Array.from({ length: 3_000 }, (_, i) => follower.execute('append', `${i}`));
  await run(Promise.all(commands));
  expect(new Set(await items(leader)).size).toBe(3_000);
  expect(await items(leader)).toHaveLength(3_000);
});

it('a client outside the process uses a session of its own', async () => {
  const session = await run(leader.openSession());
  const call = { session, sequence: 1, settled: 0 };
  const first = await run(leader.execute('append', 'x', { session: call }));
  expect((await run(follower.execute('append', 'x', { session: call }))).result).toEqual(first.result);
  const unknown = { session: 12_345, sequence: 1, settled: 0 };
  expect(await run(outcome(leader.execute('append', 'x', { session: unknown })))).toBe('KONTIKI_SESSION');
  expect(await items(leader)).toEqual(['x']);
});

it('at feature level 1, commands have no session, and those of outside sessions are refused', async () => {
  const membership = membershipOf([['x', { address: 'memory:x', metadata: '' }]], [], 1);
  const log = new MemoryLog();
  await log.open({ cluster: 'test', server: 'x' });
  await log.append({ entries: [{ kind: 'membership', index: 1, term: 1, membership }], committed: 1 });
  await log.close();
  nodes.below.logs.set('x', log);
  const node = await run(nodes.open('x', list));
  expect((await run(node.execute('append', 'x'))).result).toEqual({ count: 1, hasSession: false });
  // Another server may have applied the command in its session already.
  const call = { session: 1, sequence: 1, settled: 0 };
  expect(await run(outcome(node.execute('append', 'y', { session: call })))).toBe('KONTIKI_LEVEL');
  expect(await run(outcome(node.openSession()))).toBe('KONTIKI_LEVEL');
  expect(await items(node)).toEqual(['x']);
});
