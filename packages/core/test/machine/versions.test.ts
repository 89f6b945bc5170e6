// Shows that a new version of a state machine's behavior takes effect at the same entry on every
// server. Also shows how servers that lack a version react.
import {
  defineStateMachine,
  isKontikiError,
  Replica,
  type Definition,
  type NodeOptions,
  type TypedNode,
} from '@kontiki/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect, entries, stream, TypedNodes } from './harness.js';

interface State {
  total: number;
}
const queries = { total: (state: State): number => state.total };
const initial = (): State => ({ total: 0 });
const v1 = defineStateMachine({
  initial,
  commands: { add: (state, amount: number) => (state.total += amount) },
  queries,
});
/** A second version that adds each number twice and has one more command. */
const v2 = defineStateMachine({
  version: 2,
  previous: v1,
  initial,
  commands: {
    add: (state, amount: number) => (state.total += 2 * amount),
    clear: (state) => (state.total = 0),
  },
  queries,
});
/** A third version, whose state has a different structure. */
const v3 = defineStateMachine({
  version: 3,
  previous: v2,
  initial: () => ({ sum: 1_000 }),
  commands: { add: (state, amount: number) => (state.sum += 3 * amount) },
  queries: { total: (state) => state.sum },
  migrate: ({ total }) => ({ sum: total + 100 }),
});
/** The third version, in a program that no longer contains the earlier versions. */
const only3 = defineStateMachine({
  version: 3,
  initial: () => ({ sum: 1_000 }),
  commands: { add: (state, amount: number) => (state.sum += 3 * amount) },
  queries: { total: (state) => state.sum },
});
type Any = Definition<
  unknown,
  { add: { input: number; result: unknown } },
  { total: { input: undefined; result: unknown } }
>;

let nodes: TypedNodes<Any>;
beforeEach(() => {
  nodes = new TypedNodes();
});
afterEach(() => nodes.close());

const run = <T>(promise: Promise<T>): Promise<T> => nodes.run(promise);
const node = (id: string): TypedNode<Any> => nodes.nodes.get(id) as TypedNode<Any>;

async function restart(id: string, machine: Any): Promise<TypedNode<Any>> {
  await nodes.stop(id);
  return run(nodes.open(id, machine));
}

/** Runs a command on the leader. */
async function add(amount: number): Promise<unknown> {
  const leader = await nodes.leader();
  return (await run(leader.execute('add', amount))).result;
}

/** Resolves with the leader once every running member has announced its version to the leader. */
async function informed(): Promise<TypedNode<Any>> {
  const leader = await nodes.leader();
  await nodes.below.clock.elapse(200);
  return leader;
}

const raise = async (): Promise<number> => run((await informed()).raiseVersion());

/** Resolves with the code and the message of a call's error. */
async function refusal(call: Promise<unknown>): Promise<string> {
  const error = await run(
    call.then(
      () => undefined,
      (failure: unknown) => failure,
    ),
  );
  return isKontikiError(error) ? `${error.code}: ${error.message}` : String(error);
}

async function expectTotals(total: number): Promise<void> {
  for (const each of nodes.nodes.values()) expect((await run(each.query('total'))).result).toBe(total);
}

describe('versions of behavior', () => {
  it('a rolling deploy changes what a command does at the same entry on every server', async () => {
    await nodes.cluster(v1, 'a', 'b', 'c');
    expect(await add(1)).toBe(1);
    for (const id of ['a', 'b', 'c']) {
      await restart(id, v2);
      await add(1);
    }
    await expectTotals(4);
    expect(await raise()).toBe(2);
    expect(await add(1)).toBe(6);
    await expectTotals(6);
    expect([...nodes.nodes.values()].map(({ version }) => version)).toEqual([2, 2, 2]);
  });

  it('a deploy can be rolled back before the version is raised', async () => {
    await nodes.cluster(v1, 'a', 'b', 'c');
    for (const machine of [v2, v1]) {
      for (const id of ['a', 'b', 'c']) {
        await restart(id, machine);
        await add(1);
      }
    }
    await expectTotals(6);
  });

  it('a restart replays old entries with the old code', async () => {
    await nodes.cluster(v2, 'a');
    await add(1);
    await raise();
    await add(1);
    const again = await restart('a', v2);
    await expectTotals(3);
    expect(again.version).toBe(2);
  });

  it('raising the version by several steps migrates the state', async () => {
    await nodes.cluster(v2, 'a', 'b');
    await add(1);
    for (const id of ['a', 'b']) await restart(id, v3);
    expect(await raise()).toBe(3);
    expect(await add(1)).toBe(104);
    const again = await restart('a', v3);
    expect(again.version).toBe(3);
    await expectTotals(104);
  });

  it('a snapshot contains the version in force, so a restart needs no old code', async () => {
    await nodes.cluster(v3, 'a');
    await add(1);
    await raise();
    await run(node('a').raft.snapshot());
    await restart('a', only3);
    expect(await add(1)).toBe(104);
  });

  it('a new cluster starts at the earliest version of its first leader', async () => {
    await nodes.cluster(only3, 'a');
    expect(await add(1)).toBe(1_003);
    const late = await run(nodes.open('b', v3));
    await run(node('a').raft.members.addVoter('b', 'memory:b'));
    await expectTotals(1_003);
    expect(late.version).toBe(3);
  });

  it('a new cluster can be raised before its first command', async () => {
    await nodes.cluster(v3, 'a', 'b');
    expect(await raise()).toBe(3);
    expect(await add(1)).toBe(1_003);
    await expectTotals(1_003);
  });

  it('a command or query of a later version is refused until the version is raised', async () => {
    const leader = await nodes.cluster(v2, 'a');
    const clear = (): Promise<unknown> => (leader as unknown as TypedNode<typeof v2>).execute('clear');
    expect(await refusal(clear())).toMatch(/^KONTIKI_UNKNOWN_COMMAND: Version 1 .* has no command "clear"/);
    await raise();
    expect(await run(clear())).toMatchObject({ result: 0 });
  });

  it('a command appended after the version is raised runs once, with the new code', async () => {
    const leader = await nodes.cluster(v2, 'a', 'b');
    await add(1);
    await nodes.below.clock.elapse(200);
    const raised = leader.raiseVersion();
    const results = await run(Promise.all([leader.execute('add', 1), leader.execute('add', 1)]));
    expect(await run(raised)).toBe(2);
    expect(results.map(({ result }) => result)).toEqual([3, 5]);
    await expectTotals(5);
  });
});

describe('raiseVersion', () => {
  it('raiseVersion raises to the newest version that every member has', async () => {
    const leader = await nodes.cluster(v3, 'a', 'b');
    await add(1);
    await run(nodes.open('c', v2));
    await run(leader.raft.members.addLearner('c', 'memory:c'));
    expect(await raise()).toBe(2);
    expect(await refusal((await informed()).raiseVersion())).toMatch(
      /^KONTIKI_BEHAVIOR: Version 2 .* is in force, and c has no later one/,
    );
    expect(leader.raft.status().peers.map(({ behavior }) => behavior)).toEqual([3, 2]);
    await restart('c', v3);
    expect(await raise()).toBe(3);
  });

  it('raiseVersion names the members that do not answer', async () => {
    const leader = await nodes.cluster(v2, 'a', 'b', 'c');
    await add(1);
    const gone = ['a', 'b', 'c'].find((id) => id !== leader.raft.id) as string;
    await nodes.stop(gone);
    await nodes.below.clock.elapse(500);
    expect(await refusal(leader.raiseVersion())).toMatch(new RegExp(`^KONTIKI_BEHAVIOR: .* ${gone} has not answered`));
  });

  it('raiseVersion is refused after a member has been rolled back', async () => {
    const leader = await nodes.cluster(v2, 'a', 'b', 'c');
    await add(1);
    await nodes.below.clock.elapse(200);
    const back = ['a', 'b', 'c'].find((id) => id !== leader.raft.id) as string;
    await restart(back, v1);
    expect(await refusal((await informed()).raiseVersion())).toMatch(
      new RegExp(`^KONTIKI_BEHAVIOR: .* and ${back} has no later one`),
    );
    await restart(back, v2);
    expect(await raise()).toBe(2);
  });

  it('raiseVersion rejects on a follower, naming the leader, and on a closed node', async () => {
    const leader = await nodes.cluster(v2, 'a', 'b');
    const follower = [...nodes.nodes.values()].find((each) => each !== leader) as TypedNode<Any>;
    await expect(run(follower.raiseVersion())).rejects.toMatchObject({ leader: { id: leader.raft.id } });
    await run(leader.close());
    expect(await refusal(leader.raiseVersion())).toMatch(/^KONTIKI_CLOSED/);
  });
});

describe('servers that lack a version', () => {
  it('a start is refused when the log needs a version that this program does not have', async () => {
    await nodes.cluster(v2, 'a');
    await add(1);
    await raise();
    await add(1);
    await nodes.stop('a');
    expect(await refusal(nodes.open('a', v1))).toMatch(
      /^KONTIKI_FORMAT: Entry \d+ needs version 2 .* but this program has versions 1 to 1. Nothing was changed/,
    );
    expect(await refusal(nodes.open('a', only3))).toMatch(/^KONTIKI_FORMAT: Entry \d+ needs version 1 /);
    const again = await run(nodes.open('a', v2));
    expect((await run(again.query('total'))).result).toBe(3);
  });

  it('a start is refused when the snapshot needs a version that was removed', async () => {
    await nodes.cluster(v1, 'a');
    await add(1);
    await run(node('a').raft.snapshot());
    await nodes.stop('a');
    expect(await refusal(nodes.open('a', only3))).toMatch(/^KONTIKI_FORMAT: The snapshot needs version 1 /);
    await run(nodes.open('a', v1));
  });

  it('a server stops before it switches to a version that it does not have', async () => {
    const leader = await nodes.cluster(v2, 'a', 'b', 'c');
    await add(1);
    await nodes.below.clock.elapse(200);
    const back = ['a', 'b', 'c'].find((id) => id !== leader.raft.id) as string;
    await nodes.stop(back);
    // The server still counts as responding, because it answered a moment ago. It will restart with
    // an older version of the program.
    expect(await run(leader.raiseVersion())).toBe(2);
    await add(1);
    const opened = await run(nodes.open(back, v1));
    await nodes.below.clock.until(() => opened.raft.status().role === 'failed');
    expect(opened.raft.status().error).toMatchObject({ code: 'KONTIKI_FORMAT' });
    await restart(back, v2);
    await expectTotals(3);
  });

  it('installing a snapshot stops a server that does not have its version', async () => {
    const leader = await nodes.cluster(v2, 'a');
    await add(1);
    await raise();
    await run(leader.raft.snapshot());
    const late = await run(nodes.open('b', v1));
    await run(leader.raft.members.addLearner('b', 'memory:b'));
    await nodes.below.clock.until(() => late.raft.status().role === 'failed');
    expect(late.raft.status().error).toMatchObject({
      code: 'KONTIKI_FORMAT',
      message: expect.stringContaining('The snapshot needs version 2'),
    });
    expect(await refusal(nodes.open('b', v1))).toMatch(/^KONTIKI_FORMAT: The snapshot needs version 2/);
    await run(nodes.open('b', v2));
    await expectTotals(1);
  });
});

describe('a Replica with versions', () => {
  const apply = (replica: Replica, ...commands: Uint8Array[]) =>
    replica.apply({ entries: entries(...commands), through: commands.length + 1, time: 0 });

  it.each([undefined, Promise.resolve(1)])('a migration that returns %s stops the server', (migrated) => {
    const next = defineStateMachine({ previous: v1, initial, commands: {}, migrate: () => migrated as never });
    const replica = new Replica(next);
    apply(replica, replica.encode('add', 1));
    expect(() => apply(replica, replica.encodeRaise(2))).toThrow('migrate of version 2 must return');
  });

  it('each version writes and reads its own snapshots', async () => {
    const next = defineStateMachine({
      previous: v1,
      initial: () => new Date(0),
      commands: {},
      migrate: ({ total }) => new Date(total),
      snapshot: {
        write: async function* (state) {
          yield Uint8Array.of(state.getTime());
        },
        read: async (chunks) => new Date(Buffer.concat(await collect(chunks))[0] ?? 0),
      },
    });
    const replica = new Replica<unknown>(next);
    apply(replica, replica.encode('add', 7));
    const before = await collect(replica.snapshot());
    apply(replica, replica.encodeRaise(2));
    const after = await collect(replica.snapshot());
    const states: unknown[] = [];
    for (const chunks of [before, after]) {
      const copy = new Replica<unknown>(next);
      await copy.restore(stream(chunks));
      states.push(copy.state);
    }
    expect(states).toEqual([{ total: 7 }, new Date(7)]);
  });
});

it('a node refuses a machine whose behavior is not a valid version', async () => {
  await nodes.below.bootstrap('a');
  for (const behavior of [0, 1.5, -1, 2 ** 32, '2']) {
    const machine = { apply: () => [], behavior } as unknown as NodeOptions<number>['machine'];
    expect(await refusal(nodes.below.open('a', { machine }))).toMatch(/^KONTIKI_BAD_OPTION: machine.behavior/);
  }
});
