// Shows how operators change the members of a running cluster, and which errors they receive. See
// protocol/membership-changes.test.ts for the protocol.
import { MemoryLog, type Membership, type RaftNode, type Transport } from '@kontiki/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { atOnce, bytes, Nodes, outcome, runToOutcome } from './harness.js';

let nodes: Nodes;
beforeEach(() => {
  nodes = new Nodes();
});
afterEach(() => nodes.close());

const leader = (): RaftNode<number> => nodes.leader as RaftNode<number>;
const run = (promise: Promise<unknown>): Promise<unknown> => runToOutcome(nodes, promise);
const voters = (node: RaftNode<number>): readonly string[] | undefined => node.status().membership?.voters;

/** Opens a blank server. */
async function openBlank(id: string): Promise<void> {
  nodes.logs.set(id, new MemoryLog());
  await nodes.open(id);
}

describe('members', () => {
  it('a cluster of one grows to three while it accepts commands', async () => {
    await nodes.cluster('a');
    for (let i = 0; i < 20; i += 1) await run(leader().propose(bytes(`${i}`)));
    for (const id of ['b', 'c']) {
      await openBlank(id);
      const progress: number[] = [];
      const added = leader().members.addVoter(id, `memory:${id}`, { onProgress: ({ match }) => progress.push(match) });
      const proposed = leader().propose(bytes(id));
      expect(await run(added)).toMatchObject({ outgoing: [], learners: [] });
      expect(await run(proposed)).toMatchObject({ term: leader().status().term });
      expect(progress.at(-1)).toBeGreaterThanOrEqual(20);
    }
    await nodes.clock.until(() => ['b', 'c'].every((id) => nodes.machine(id).commands.length === 22));
    expect(voters(nodes.get('c'))).toEqual(['a', 'b', 'c']);
    await nodes.get('a').close(atOnce);
    await nodes.clock.until(() => nodes.leader !== undefined);
    expect(await run(leader().propose(bytes('x')))).toMatchObject({ result: 23 });
  });

  it('replace removes the old server and makes the new server a voter', async () => {
    await nodes.cluster('a', 'b', 'c');
    const old = nodes.followers[0]?.id as string;
    await nodes.get(old).close();
    await openBlank('d');
    const settled = (await run(leader().members.replace(old, 'd', 'memory:d'))) as Membership;
    expect([...settled.voters].sort()).toEqual(['a', 'b', 'c', 'd'].filter((id) => id !== old));
    expect([...settled.servers.keys()]).not.toContain(old);
  });

  it('a server that lost its disk rejoins under its id and is a voter again', async () => {
    await nodes.cluster('a', 'b', 'c');
    const id = nodes.followers[0]?.id as string;
    const replaced = (): Promise<unknown> => run(leader().members.replace(id, id, `memory:${id}`));
    await nodes.clock.until(
      () =>
        leader()
          .status()
          .peers?.find((peer) => peer.id === id)?.match !== 0,
    );
    expect(await run(leader().members.replace(id, id, `memory:${id}`))).toBe('KONTIKI_BAD_CHANGE');
    await run(leader().members.setMetadata(id, 'http://x'));
    const store = leader().status().membership?.servers.get(id)?.store;
    await nodes.get(id).close(atOnce);
    nodes.logs.set(id, new MemoryLog());
    await nodes.open(id);
    await nodes.clock.elapse(200);
    const { voters, servers } = (await replaced()) as Membership;
    expect(voters).toContain(id);
    expect(servers.get(id)).toMatchObject({ address: `memory:${id}`, metadata: 'http://x' });
    expect(servers.get(id)?.store).not.toBe(store);
    const [other] = nodes.followers.filter((node) => node.id !== id) as [RaftNode<number>];
    await other.close(atOnce);
    expect(await run(leader().propose(bytes('x')))).toMatchObject({ result: 1 });
  });

  it('a leader refuses to replace its own disk and keeps leading', async () => {
    await nodes.cluster('a', 'b', 'c');
    const { id, members } = leader();
    expect(await run(members.replace(id, id, `memory:${id}`))).toBe('KONTIKI_BAD_CHANGE');
    expect(leader().id).toBe(id);
    const other = nodes.followers[0] as RaftNode<number>;
    const elsewhere = other.members.replace(other.id, other.id, `memory:${other.id}`, { forward: false });
    expect(await run(elsewhere)).toBe('KONTIKI_NOT_LEADER');
  });

  it('a voter that is down is not added again, and the call does not wait for it', async () => {
    await nodes.cluster('a', 'b', 'c');
    const [away, alive] = nodes.followers as [RaftNode<number>, RaftNode<number>];
    await away.close();
    await run(leader().propose(bytes('x')));
    expect(await run(leader().members.addVoter(away.id, `memory:${away.id}`))).toBe('KONTIKI_BAD_CHANGE');
    const replaced = leader().members.replace(alive.id, away.id, `memory:${away.id}`);
    expect(await run(replaced)).toBe('KONTIKI_BAD_CHANGE');
    expect(voters(leader())).toEqual(['a', 'b', 'c']);
  });

  it('a removed leader transfers its leadership, and the others continue', async () => {
    await nodes.cluster('a', 'b', 'c');
    const old = leader();
    const events: unknown[] = [];
    old.on('membership', ({ membership }) => events.push(membership.voters.length));
    await run(old.members.remove(old.id));
    await nodes.clock.until(() => !old.isLeader && nodes.leader !== undefined);
    expect(events).toEqual([2]);
    expect(await run(leader().propose(bytes('x')))).toMatchObject({ result: 1 });
  });

  it('the cluster continues after a majority, leader included, is removed at once', async () => {
    await nodes.cluster('a', 'b', 'c', 'd', 'e');
    const old = leader();
    const [b, c] = nodes.followers as [RaftNode<number>, RaftNode<number>];
    await run(old.propose(bytes('x')));
    const change = old.members.change([old, b, c].map(({ id }) => ({ kind: 'remove' as const, id })));
    expect(await run(change)).toMatchObject({ outgoing: [] });
    for (const node of [old, b, c]) await node.close(atOnce);
    await nodes.clock.until(() => nodes.leader !== undefined);
    expect(voters(leader())).toHaveLength(2);
    expect(await run(leader().propose(bytes('y')))).toMatchObject({ result: 2 });
  });

  it('transferLeadership to the leader itself resolves at once', async () => {
    await nodes.cluster('a', 'b', 'c');
    const { id } = leader();
    expect(await run(leader().members.transferLeadership(id))).toMatchObject({ id });
    expect(leader().id).toBe(id);
  });

  it('transferLeadership resolves with the new leader', async () => {
    await nodes.cluster('a', 'b', 'c');
    const [to] = nodes.followers.map(({ id }) => id) as [string];
    const before = leader().status().term;
    expect(await run(leader().members.transferLeadership(to))).toMatchObject({ id: to, address: `memory:${to}` });
    expect(leader().id).toBe(to);
    expect(leader().status().term).toBe(before + 1);
  });

  it('reconcile computes the steps, and takes them unless it is a dry run', async () => {
    await nodes.cluster('a', 'b');
    await openBlank('c');
    const desired = {
      [leader().id]: `memory:${leader().id}`,
      c: { address: 'memory:c', metadata: 'new' },
    };
    const gone = nodes.followers[0]?.id;
    const steps = [
      { kind: 'addLearner', id: 'c', address: 'memory:c', metadata: 'new' },
      { kind: 'promote', id: 'c' },
      { kind: 'remove', id: gone },
    ];
    expect(await run(leader().members.reconcile(desired, { dryRun: true }))).toEqual(steps);
    expect(voters(leader())).toEqual(['a', 'b']);
    expect(await run(leader().members.reconcile(desired))).toEqual(steps);
    expect(new Set(voters(leader()))).toEqual(new Set(Object.keys(desired)));
    expect(await run(leader().members.reconcile(desired))).toEqual([]);
  });

  it('reconcile keeps the metadata of a member that is given only as an address', async () => {
    await nodes.cluster('a', 'b');
    await run(leader().members.setMetadata('b', 'http://b'));
    const desired = { a: 'memory:a', b: { address: 'memory:b', learner: true } };
    expect(await run(leader().members.reconcile(desired, { dryRun: true }))).toEqual([{ kind: 'demote', id: 'b' }]);
  });

  it('addresses and metadata can be changed, and the transport gets the new addresses', async () => {
    await nodes.bootstrap('a');
    const inner = nodes.network.transport();
    let peers: ReadonlyMap<string, string> | undefined;
    const transport: Transport = {
      start: (self, receive) => inner.start(self, receive),
      send: (to, messages) => inner.send(to, messages),
      setPeers: (given) => inner.setPeers((peers = given)),
      close: () => inner.close(),
    };
    await nodes.open('a', { transport });
    await nodes.clock.until(() => nodes.leader !== undefined);
    await run(leader().members.addLearner('b', 'memory:b'));
    expect(peers).toEqual(new Map([['b', 'memory:b']]));
    await run(leader().members.setAddress('b', 'memory:moved'));
    expect(peers).toEqual(new Map([['b', 'memory:moved']]));
    const changed = (await run(leader().members.setMetadata('b', 'http://b:2'))) as Membership;
    expect(changed.servers.get('b')).toMatchObject({ address: 'memory:moved', metadata: 'http://b:2' });
    expect(changed.revision).toBe(3);
    await run(leader().members.remove('b'));
    await nodes.clock.elapse(1_000);
    expect(peers).toEqual(new Map());
  });
});

describe('refusals', () => {
  it.each<[string, string, () => Promise<unknown>]>([
    [
      'on a follower without forwarding',
      'KONTIKI_NOT_LEADER',
      () => nodes.followers[0]?.members.remove('c', { forward: false }) as Promise<unknown>,
    ],
    ['of an unknown server', 'KONTIKI_BAD_CHANGE', () => leader().members.remove('x')],
    [
      'that removes all voters',
      'KONTIKI_BAD_CHANGE',
      () => leader().members.change(['a', 'b', 'c'].map((id) => ({ kind: 'remove' as const, id }))),
    ],
    ['of a member that is added again', 'KONTIKI_BAD_CHANGE', () => leader().members.addLearner('b', 'memory:x')],
    ['that replaces a stranger', 'KONTIKI_BAD_CHANGE', () => leader().members.replace('x', 'd', 'memory:d')],
    ['of an unknown kind', 'KONTIKI_BAD_OPTION', () => leader().members.change({ kind: 'launch', id: 'b' } as never)],
    [
      'without an address',
      'KONTIKI_BAD_OPTION',
      () => leader().members.change({ kind: 'addLearner', id: 'd' } as never),
    ],
    [
      'to a number as address',
      'KONTIKI_BAD_OPTION',
      () => leader().members.change({ kind: 'setAddress', id: 'b', address: 5 } as never),
    ],
    ['without steps', 'KONTIKI_BAD_OPTION', () => leader().members.change([])],
    ['with an invalid id', 'KONTIKI_BAD_OPTION', () => leader().members.addLearner('a/b', 'memory:x')],
    ['with the address of another server', 'KONTIKI_BAD_OPTION', () => leader().members.setAddress('b', 'memory:c')],
    ['with a blank address', 'KONTIKI_BAD_OPTION', () => leader().members.addLearner('d', ' ')],
    ['with a misspelled option', 'KONTIKI_BAD_OPTION', () => leader().members.remove('c', { forced: true } as object)],
    ['of another revision', 'KONTIKI_REVISION', () => leader().members.remove('c', { expected: 3 })],
    [
      'to a learner without the log',
      'KONTIKI_LAGGING',
      async () => {
        await leader().members.addLearner('d', 'memory:d');
        return leader().members.promote('d');
      },
    ],
    [
      'while another one is in progress',
      'KONTIKI_CHANGING',
      () => {
        void leader()
          .members.addLearner('d', 'memory:d')
          .catch(() => {});
        return leader().members.addLearner('e', 'memory:e');
      },
    ],
    [
      'that leaves a majority that is away',
      'KONTIKI_NO_QUORUM',
      async () => {
        const [b, c] = nodes.followers as [RaftNode<number>, RaftNode<number>];
        await b.close();
        await nodes.clock.elapse(300);
        return leader().members.remove(c.id);
      },
    ],
    [
      'to hand over to a learner',
      'KONTIKI_BAD_CHANGE',
      async () => {
        await leader().members.addLearner('d', 'memory:d');
        return leader().members.transferLeadership('d');
      },
    ],
    [
      'to hand over to a server that is away',
      'KONTIKI_TRANSFER_FAILED',
      async () => {
        const [b] = nodes.followers as [RaftNode<number>];
        await b.close();
        await nodes.clock.elapse(300);
        return leader().members.transferLeadership(b.id);
      },
    ],
  ])('a change %s is refused with %s', async (_, code, change) => {
    await nodes.cluster('a', 'b', 'c');
    await run(leader().propose(bytes('x')));
    const { servers } = leader().status().membership as Membership;
    expect(await run(change())).toBe(code);
    const after = leader().status().membership as Membership;
    // Some of these calls first add `d` as a learner.
    expect([...after.servers].filter(([id]) => id !== 'd')).toEqual([...servers]);
    expect([after.voters, after.outgoing]).toEqual([['a', 'b', 'c'], []]);
  });

  it('a membership change that is aborted before it starts has no effect', async () => {
    await nodes.cluster('a', 'b', 'c');
    const controller = new AbortController();
    const change = outcome(leader().members.remove('c', { signal: controller.signal }));
    controller.abort();
    expect(await run(change)).toBe('KONTIKI_ABORTED');
    await nodes.clock.elapse(100);
    expect(voters(leader())).toEqual(['a', 'b', 'c']);
  });

  it('an exception in onProgress rejects the call, and the node keeps running', async () => {
    await nodes.cluster('a');
    await openBlank('b');
    const error = new Error('thrown by the application');
    const onProgress = (): never => {
      throw error;
    };
    expect(await run(leader().members.addVoter('b', 'memory:b', { onProgress }))).toBe(error);
    expect(await run(leader().propose(bytes('x')))).toMatchObject({ result: 1 });
  });

  it('a change whose end a node cannot observe has an unknown outcome', async () => {
    await nodes.cluster('a', 'b', 'c');
    const old = leader();
    const change = outcome(old.members.setMetadata('b', 'x', { timeout: 100 }));
    for (const node of nodes.followers) await node.close();
    expect(await run(change)).toBe('KONTIKI_UNKNOWN_OUTCOME');
  });
});

describe('close', () => {
  it('a closing leader settles its proposals and transfers its leadership', async () => {
    await nodes.cluster('a', 'b', 'c');
    const old = leader();
    const proposals = Array.from({ length: 50 }, (_, i) => outcome(old.propose(bytes(`${i}`))));
    await nodes.clock.settle();
    const closed = old.close();
    expect(await outcome(old.propose(bytes('late')))).toBe('KONTIKI_CLOSED');
    const start = nodes.clock.now();
    await run(closed);
    expect(await Promise.all(proposals)).toEqual(
      Array.from({ length: 50 }, (_, i) => expect.objectContaining({ result: i + 1 })),
    );
    expect(leader().id).not.toBe(old.id);
    // Closing must take less time than an election timeout.
    expect(nodes.clock.now() - start).toBeLessThan(50);
  });

  it.each([[['a', 'b', 'c']], [['a', 'b']]])(
    'a removed leader of %j transfers its leadership before it closes',
    async (ids) => {
      await nodes.cluster(...ids);
      await run(leader().propose(bytes('x')));
      const old = leader();
      const start = nodes.clock.now();
      const closed = old.members.remove(old.id).then(() => old.close({ drain: false }));
      await nodes.clock.elapse(1);
      // The successor does not have this entry when the removal is committed.
      const proposed = outcome(old.propose(bytes('y')));
      await run(closed);
      await proposed;
      await nodes.clock.until(() => nodes.leader !== undefined);
      expect(leader().id).not.toBe(old.id);
      // Closing must take less time than an election timeout.
      expect(nodes.clock.now() - start).toBeLessThan(50);
    },
  );

  it('close completes on a leader that fails while it closes', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    let fail: (error: Error) => void = () => {};
    const log = nodes.logs.get('a') as MemoryLog;
    await nodes.open('a');
    await nodes.open('b');
    await nodes.clock.until(() => nodes.leader !== undefined);
    if (leader().id !== 'a') await run(leader().members.transferLeadership('a'));
    log.append = () => new Promise((_, reject) => (fail = reject));
    const proposed = outcome(leader().propose(bytes('x')));
    await nodes.clock.settle();
    const closed = outcome(nodes.get('a').close());
    await nodes.clock.settle();
    fail(new Error('the disk is gone'));
    expect(await run(closed)).toBe(undefined);
    expect(await proposed).toBe('KONTIKI_UNKNOWN_OUTCOME');
    expect(nodes.get('a').status().role).toBe('failed');
  });

  it('a leader without a quorum closes as soon as it has stepped down', async () => {
    await nodes.cluster('a', 'b', 'c');
    const old = leader();
    const proposed = outcome(old.propose(bytes('x')));
    for (const node of nodes.followers) await node.close();
    const start = nodes.clock.now();
    await run(old.close());
    expect(await proposed).toBe('KONTIKI_UNKNOWN_OUTCOME');
    expect(nodes.clock.now() - start).toBeLessThan(3 * 200);
  });
});
