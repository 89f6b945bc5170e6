// Shows the calls that run jobs on the leader with a fencing token, wait until a server is up to
// date, and watch values.
import { afterEach, describe, expect, it } from 'vitest';
import { membershipOf, silentLogger, type NodeEvents, type RaftNode } from '@kontiki/core';
import { Operations } from '../../src/node/calls/operations.js';
import { ChangeEvents } from '../../src/node/events/change-events.js';
import { Emitter } from '../../src/node/events/emitter.js';
import { eventNames } from '../../src/node/events/events.js';
import { atOnce, bytes, Nodes, outcome, runToOutcome } from './harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

const until = (condition: () => boolean): Promise<void> => nodes.clock.until(condition);

/** Returns when the signal is aborted, like a job that runs for as long as it is allowed to. */
const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });

/** Starts a job on every server. Returns a list of when jobs start and end, in order. */
function runJobs(): { readonly events: string[]; readonly tokens: number[]; readonly outcomes: Promise<unknown>[] } {
  const events: string[] = [];
  const tokens: number[] = [];
  const outcomes = [...nodes.nodes.values()].map((node) =>
    outcome(
      node.whileLeader(async (signal, token) => {
        events.push(`${node.id} starts`);
        tokens.push(token);
        await aborted(signal);
        events.push(`${node.id} stops`);
      }),
    ),
  );
  return { events, tokens, outcomes };
}

describe('whileLeader', () => {
  it('a job runs on the leader alone, and on the next leader with a higher token', async () => {
    await nodes.cluster('a', 'b', 'c');
    const { events, tokens, outcomes } = runJobs();
    const first = nodes.leader as RaftNode<number>;
    await until(() => events.length > 0);
    expect(events).toEqual([`${first.id} starts`]);
    nodes.network.isolate(first.id);
    await until(() => events.filter((event) => event.endsWith('starts')).length === 2);
    await until(() => events.includes(`${first.id} stops`));
    const second = nodes.leader as RaftNode<number>;
    expect(events.toSorted()).toEqual([`${first.id} starts`, `${first.id} stops`, `${second.id} starts`].toSorted());
    expect(tokens[1]).toBeGreaterThan(tokens[0] as number);
    await nodes.close();
    expect(await Promise.all(outcomes)).toEqual(['KONTIKI_CLOSED', 'KONTIKI_CLOSED', 'KONTIKI_CLOSED']);
  });

  it('each job of one leadership gets its own token, which is a committed index', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const token = (): Promise<number> =>
      runToOutcome(
        nodes,
        leader.whileLeader((_, index) => index),
      ) as Promise<number>;
    const tokens = [await token(), await token(), await token()];
    expect(new Set(tokens).size).toBe(3);
    expect(tokens).toEqual(tokens.toSorted((a, b) => a - b));
    expect(leader.status().committed).toBeGreaterThanOrEqual(tokens[2] as number);
  });

  it('whileLeader settles as its job does, and a follower waits until it leads', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    expect(
      await runToOutcome(
        nodes,
        leader.whileLeader(() => 'done'),
      ),
    ).toBe('done');
    const failing = leader.whileLeader(() => {
      throw new RangeError('mine');
    });
    expect(await runToOutcome(nodes, failing)).toBeInstanceOf(RangeError);
    const follower = nodes.followers[0] as RaftNode<number>;
    let ran = false;
    const waiting = outcome(follower.whileLeader(() => (ran = true)));
    await nodes.clock.elapse(2_000);
    expect(ran).toBe(false);
    await follower.close(atOnce);
    expect(await waiting).toBe('KONTIKI_CLOSED');
  });

  it('an aborted call ends once its job has stopped', async () => {
    await nodes.cluster('a');
    const controller = new AbortController();
    let release = (): void => {};
    const steps: string[] = [];
    const call = outcome(
      nodes.get('a').whileLeader(
        async (signal) => {
          steps.push('started');
          await aborted(signal);
          await new Promise<void>((resolve) => (release = resolve));
          steps.push('stopped');
        },
        { signal: controller.signal },
      ),
    ).then((code) => steps.push(code as string));
    await until(() => steps.length === 1);
    controller.abort();
    await nodes.clock.elapse(100);
    expect(steps).toEqual(['started']);
    release();
    await call;
    expect(steps).toEqual(['started', 'stopped', 'KONTIKI_ABORTED']);
  });

  it('close stops a running job, and whileLeader rejects a job that is not a function', async () => {
    await nodes.cluster('a');
    const { events, outcomes } = runJobs();
    await until(() => events.length === 1);
    await nodes.get('a').close();
    expect(events).toEqual(['a starts', 'a stops']);
    expect(await outcomes[0]).toBe('KONTIKI_CLOSED');
    expect(await outcome(nodes.get('a').whileLeader('job' as never))).toBe('KONTIKI_BAD_OPTION');
  });
});

describe('Operations', () => {
  it('a wait for a condition leaves no listener on its signal', async () => {
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    signal.addEventListener = ((...args: Parameters<typeof add>) => {
      listeners += 1;
      add(...args);
    }) as typeof add;
    signal.removeEventListener = ((...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove(...args);
    }) as typeof remove;
    const operations = new Operations(() => {});
    for (let i = 0; i < 100; i += 1) {
      let holds = false;
      const waiting = operations.until(() => holds, signal);
      holds = true;
      operations.check();
      await waiting;
    }
    expect(listeners).toBe(0);
  });
});

describe('ready', () => {
  it('ready resolves on a restarted server once it has applied all committed entries', async () => {
    await nodes.cluster('a', 'b', 'c');
    const { id } = nodes.followers[0] as RaftNode<number>;
    await nodes.get(id).close(atOnce);
    for (let i = 0; i < 5; i += 1) await runToOutcome(nodes, (nodes.leader as RaftNode<number>).propose(bytes(`${i}`)));
    const again = await nodes.open(id);
    await runToOutcome(nodes, again.ready());
    expect(nodes.machine(id).commands).toEqual(['0', '1', '2', '3', '4']);
  });

  it('ready waits for a leader without a time limit, unless a timeout is given', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await nodes.open('a');
    const limited = outcome(a.ready({ timeout: 1_000 }));
    let done = false;
    const waiting = a.ready().then(() => (done = true));
    await nodes.clock.elapse(60_000);
    expect([await limited, done]).toEqual(['KONTIKI_TIMEOUT', false]);
    await nodes.open('b');
    await runToOutcome(nodes, waiting);
    expect(done).toBe(true);
  });
});

describe('watch', () => {
  it('a watcher receives the current value first, and then each new value', async () => {
    await nodes.cluster('a', 'b', 'c');
    const [node] = nodes.followers as [RaftNode<number>];
    const first = (nodes.leader as RaftNode<number>).id;
    const seen: (string | undefined)[] = [];
    const watching = (async () => {
      for await (const { leader } of node.watch('leader')) seen.push(leader?.id);
    })();
    await until(() => seen.length === 1);
    expect(seen).toEqual([first]);
    nodes.network.isolate(first);
    await until(() => seen.at(-1) !== undefined && seen.at(-1) !== first);
    await node.close(atOnce);
    await watching;
    expect(seen.at(-1)).not.toBe(first);
  });

  it('a membership in the log of a restarted server is reported once it is committed', () => {
    const membership = membershipOf([], []);
    const memberships = [1, 3].map((index) => ({ index, membership }));
    const log = {
      committed: 2,
      membership,
      membershipIndex: 3,
      membershipAt: (index: number) => memberships.findLast((at) => at.index <= index),
    };
    const raft = { id: 'a', role: 'follower', leader: undefined, ballot: { term: 1 }, diskStalled: false, log };
    const events = new Emitter<NodeEvents>(silentLogger, eventNames);
    const changes = new ChangeEvents(raft as never, events, silentLogger);
    const reported: number[] = [];
    events.on('membership', ({ index }) => reported.push(index));
    changes.emitChanges();
    expect(reported).toEqual([]);
    log.committed = 3;
    changes.emitChanges();
    expect(reported).toEqual([3]);
  });

  it('a watcher whose first value is requested after its node closed ends at once', async () => {
    await nodes.cluster('a');
    const watcher = nodes.get('a').watch('leader');
    await nodes.get('a').close(atOnce);
    expect(await watcher.next()).toEqual({ done: true, value: undefined });
  });

  it.each(['watch', 'committed'] as const)('return() ends a pending next() of %s', async (kind) => {
    await nodes.cluster('a');
    const a = nodes.get('a');
    const values = kind === 'watch' ? a.watch('full') : a.committed();
    if (kind === 'watch') await values.next();
    const pending = values.next();
    await values.return();
    expect(await pending).toEqual({ done: true, value: undefined });
  });

  it('a slow watcher skips values, but receives the newest one', async () => {
    await nodes.cluster('a');
    const a = nodes.get('a');
    const values = a.watch('apply');
    const { value } = await values.next();
    for (let i = 0; i < 10; i += 1) await runToOutcome(nodes, a.propose(bytes('x')));
    expect(await values.next()).toEqual({ done: false, value: { index: (value as { index: number }).index + 10 } });
    await values.return();
  });

  it.each(['state', 'leader', 'term', 'membership', 'commit', 'apply', 'full', 'stalled'] as const)(
    'a late watcher of %s receives a value at once',
    async (name) => {
      await nodes.cluster('a');
      const { value } = await nodes.get('a').watch(name).next();
      expect(value).toBeTypeOf('object');
    },
  );

  it('a watcher ends with its node, rejects when it is aborted, and refuses other events', async () => {
    await nodes.cluster('a');
    const a = nodes.get('a');
    const controller = new AbortController();
    const watcher = a.watch('state', { signal: controller.signal });
    await watcher.next();
    const next = outcome(watcher.next());
    controller.abort();
    expect(await next).toBe('KONTIKI_ABORTED');
    const other = a.watch('state');
    await other.next();
    await a.close(atOnce);
    expect(await other.next()).toMatchObject({ value: { role: 'closed' } });
    expect(await other.next()).toEqual({ done: true, value: undefined });
    expect(await a.watch('state').next()).toEqual({ done: true, value: undefined });
    expect(() => a.watch('snapshot' as never)).toThrow('There is no value');
  });
});
