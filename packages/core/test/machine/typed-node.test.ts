// Shows which results and errors callers of a typed node receive. Runs whole nodes on virtual time.
import { CommandError, isCommandError, type RaftNode, type TypedNode } from '@kontiki/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bytes } from '../node/harness.js';
import { counter, TypedNodes, type Counter } from './harness.js';

let nodes: TypedNodes<Counter>;
beforeEach(() => {
  nodes = new TypedNodes();
});
afterEach(() => nodes.close());

const run = <T>(promise: Promise<T>): Promise<T> => nodes.run(promise);

/** A typed node, cast to a type without its commands and queries. */
interface Untyped {
  execute(name: string, input?: unknown, options?: object): Promise<unknown>;
  query(name: string, input?: unknown, options?: object): Promise<unknown>;
}
const untyped = (node: TypedNode<Counter>): Untyped => node as unknown as Untyped;

describe('TypedNode', () => {
  it('execute resolves with the result and the position of the command', async () => {
    const leader = await nodes.cluster(counter, 'a', 'b', 'c');
    // The first command opens the session, in entry 3.
    expect(await run(leader.execute('add', 5))).toEqual({ index: 4, term: 2, result: 5 });
    expect(await run(leader.execute('reset'))).toEqual({ index: 5, term: 2, result: undefined });
    expect(await run(leader.execute('set', '12'))).toEqual({
      index: 6,
      term: 2,
      result: { was: 0, now: 12, index: 6, term: 2, time: expect.any(Number), session: expect.any(Number) },
    });
  });

  it('query resolves with the same result on every server', async () => {
    const leader = await nodes.cluster(counter, 'a', 'b', 'c');
    await run(leader.execute('add', 5));
    for (const node of nodes.nodes.values()) {
      expect((await run(node.query('total'))).result).toBe(5);
      expect((await run(node.query('above', 4, { timeout: 1_000 }))).result).toBe(true);
    }
    expect((await run(leader.query('total', undefined, { consistency: 'local' }))).result).toBe(5);
  });

  it('a CommandError rejects the call to execute and stops no server', async () => {
    const leader = await nodes.cluster(counter, 'a', 'b', 'c');
    await run(leader.execute('add', 5));
    const failure = await run(leader.execute('take', 6).catch((error: unknown) => error));
    expect(isCommandError(failure)).toBe(true);
    expect(failure).toMatchObject({ name: 'CommandError', code: 'TOO_FEW', message: 'There are only 5.' });
    expect(await run(leader.execute('take', 2))).toMatchObject({ result: 3 });
    for (const node of nodes.nodes.values()) expect((await run(node.query('total'))).result).toBe(3);
  });

  it('a command that throws anything but a CommandError stops the servers', async () => {
    const leader = await nodes.cluster(counter, 'a');
    await expect(run(leader.execute('crash'))).rejects.toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME' });
    expect(leader.raft.status()).toMatchObject({
      role: 'failed',
      error: { code: 'KONTIKI_MACHINE_FAILED', cause: { message: 'a bug' } },
    });
  });

  it.each<[string, string, unknown, string, string]>([
    ['an unknown command', 'nope', undefined, 'KONTIKI_UNKNOWN_COMMAND', 'has no command "nope"'],
    ['a name of Object.prototype', 'toString', undefined, 'KONTIKI_UNKNOWN_COMMAND', 'has no command "toString"'],
    ['an input that its validator refuses', 'set', 'x', 'KONTIKI_BAD_INPUT', 'text: Expected digits'],
    ['an input that JSON would change', 'add', { a: [NaN] }, 'KONTIKI_BAD_INPUT', 'The value at a.0 is NaN'],
  ])('%s is refused, and nothing is appended', async (_title, name, input, code, message) => {
    const leader = await nodes.cluster(counter, 'a');
    const { last } = leader.raft.status();
    await expect(untyped(leader).execute(name, input)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    await nodes.below.clock.elapse(100);
    expect(leader.raft.status().last).toBe(last);
  });

  it('a query that does not exist is refused', async () => {
    const leader = await nodes.cluster(counter, 'a');
    await expect(run(untyped(leader).query('nope'))).rejects.toMatchObject({ code: 'KONTIKI_UNKNOWN_COMMAND' });
  });

  it('results are copies that callers may change', async () => {
    const leader = await nodes.cluster(counter, 'a');
    const both = Promise.all([leader.execute('note', 'x'), leader.execute('note', 'y')]);
    const [first, second] = await run(both);
    expect([first.result.notes, second.result.notes]).toEqual([['x'], ['x', 'y']]);
    (await run(leader.query('notes'))).result.push('z');
    expect((await run(leader.query('notes'))).result).toEqual(['x', 'y']);
  });

  it('execute on a follower resolves, or rejects with an error that names the leader', async () => {
    const leader = await nodes.cluster(counter, 'a', 'b');
    const follower = [...nodes.nodes.values()].find((node) => node !== leader) as TypedNode<Counter>;
    expect(await run(follower.execute('add', 1))).toMatchObject({ result: 1 });
    const refused = follower.execute('add', 1, { forward: false });
    await expect(refused).rejects.toMatchObject({ leader: { id: leader.raft.id } });
  });

  it('execute and query pass on their options', async () => {
    const leader = await nodes.cluster(counter, 'a');
    const aborted = { signal: AbortSignal.abort() };
    await expect(leader.execute('add', 1, aborted)).rejects.toMatchObject({ code: 'KONTIKI_ABORTED' });
    await expect(leader.query('total', undefined, aborted)).rejects.toMatchObject({ code: 'KONTIKI_ABORTED' });
    await expect(untyped(leader).execute('add', 1, { timeuot: 1 })).rejects.toMatchObject({
      code: 'KONTIKI_BAD_OPTION',
    });
  });

  it('a committed entry that is not a command changes nothing and stops no server', async () => {
    const leader = await nodes.cluster(counter, 'a', 'b', 'c');
    await run(leader.execute('add', 5));
    const { result } = await run(leader.raft.propose(bytes('{"name":"add"}')));
    expect(result).toMatchObject({ error: { code: 'KONTIKI_BAD_INPUT' } });
    for (const node of nodes.nodes.values()) expect((await run(node.query('total'))).result).toBe(5);
  });

  it('a restarted server rebuilds its state from its log and its snapshot', async () => {
    const leader = await nodes.cluster(counter, 'a');
    await run(leader.execute('add', 5));
    await run(leader.raft.snapshot());
    await run(leader.execute('note', 'x'));
    await nodes.stop('a');
    const again = await run(nodes.open('a', counter));
    await nodes.leader();
    expect((await run(again.query('total'))).result).toBe(5);
    expect((await run(again.query('notes'))).result).toEqual(['x']);
  });

  it('a new server receives the state as a snapshot', async () => {
    const leader = await nodes.cluster(counter, 'a');
    await run(leader.execute('add', 5));
    await run(leader.raft.snapshot());
    const late = await run(nodes.open('b', counter));
    await run(leader.raft.members.addVoter('b', 'memory:b'));
    expect(late.raft.status().base).toBeGreaterThan(1);
    expect((await run(late.query('total'))).result).toBe(5);
  });

  it('asynchronous disposal closes the node', async () => {
    const leader = await nodes.cluster(counter, 'a');
    await run(leader[Symbol.asyncDispose]());
    expect((leader.raft as RaftNode<never>).status().role).toBe('closed');
    await expect(leader.execute('add', 1)).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
  });
});

it('isCommandError recognizes errors from another copy of the package', () => {
  const foreign = Object.assign(new Error('x'), { [Symbol.for('kontiki.commandError')]: true, code: 'A' });
  expect([isCommandError(foreign), isCommandError(new CommandError('A', 'x'))]).toEqual([true, true]);
  expect([isCommandError(new Error('x')), isCommandError(null)]).toEqual([false, false]);
});
