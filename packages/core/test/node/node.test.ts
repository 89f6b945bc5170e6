import { afterEach, describe, expect, it } from 'vitest';
import { type MemoryLog, type RaftNode, type ApplyBatch, type RoleName } from '@kontiki/core';
import { bytes, ended, Journal, Nodes, outcome, SuspendableProcess } from './harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

describe('a cluster of nodes', () => {
  it('replicates commands and gives each caller its own result', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const results = Promise.all(['x', 'y', 'z'].map((command) => leader.propose(bytes(command))));
    await nodes.clock.elapse(20);
    expect((await results).map(({ result }) => result)).toEqual([1, 2, 3]);
    for (const id of ['a', 'b', 'c']) expect(nodes.machine(id).commands).toEqual(['x', 'y', 'z']);
  });

  it('a proposal’s latency does not depend on the heartbeat', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    for (const node of nodes.nodes.values()) node.setTimings({ heartbeat: 5_000, election: 20_000 });
    const before = nodes.clock.now();
    await ended(nodes, leader.propose(bytes('x')));
    expect(nodes.clock.now() - before).toBeLessThanOrEqual(5);
    expect(nodes.machine('a').commands.length + nodes.machine('b').commands.length).toBeGreaterThan(0);
  });

  it('what waits becomes one batch: one write, one frame a peer', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const log = nodes.logs.get(leader.id) as MemoryLog;
    let writes = 0;
    const append = log.append.bind(log);
    log.append = (write) => {
      writes += 1;
      return append(write);
    };
    const results = Promise.all(Array.from({ length: 100 }, (_, i) => leader.propose(bytes(`${i}`))));
    await nodes.clock.elapse(20);
    expect((await results).map(({ index }) => index)).toEqual(Array.from({ length: 100 }, (_, i) => i + 3));
    expect(writes).toBe(1);
  });

  it('survives the loss of its leader, and the restarted one catches up from its own log', async () => {
    await nodes.cluster('a', 'b', 'c');
    const first = nodes.leader as RaftNode<number>;
    await ended(nodes, first.propose(bytes('x')));
    await first.close();
    nodes.nodes.delete(first.id);
    await nodes.clock.until(() => nodes.leader !== undefined);
    await ended(nodes, (nodes.leader as RaftNode<number>).propose(bytes('y')));
    await nodes.open(first.id);
    await nodes.clock.until(() => nodes.machine(first.id).commands.length === 2);
    expect(nodes.machine(first.id).commands).toEqual(['x', 'y']);
  });

  it('a single node commits on its own sync', async () => {
    await nodes.cluster('a');
    expect(await ended(nodes, nodes.get('a').propose(bytes('x')))).toMatchObject({ result: 1 });
    expect(nodes.machine('a').commands).toEqual(['x']);
  });

  it('reads are linearizable at leader and follower, local ones at once', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const follower = nodes.followers[0] as RaftNode<number>;
    const write = leader.propose(bytes('x'));
    await nodes.clock.until(() => nodes.machine(leader.id).commands.length === 1);
    await write;
    const count = (id: string) => (): number => nodes.machine(id).commands.length;
    expect(await ended(nodes, follower.read(count(follower.id)))).toBe(1);
    expect(await ended(nodes, leader.read(count(leader.id)))).toBe(1);
    expect(await follower.read(count(follower.id), { consistency: 'local' })).toBe(1);
    expect(
      await outcome(
        leader.read(
          () => {
            throw new RangeError('mine');
          },
          { consistency: 'local' },
        ),
      ),
    ).toBeInstanceOf(RangeError);
  });

  it('a follower’s read waits until the follower itself has applied what the leader named (row 63)', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    let release = (): void => {};
    const slow = new (class extends Journal {
      gate: Promise<void> = Promise.resolve();
      override apply(batch: ApplyBatch): never {
        return this.gate.then(() => super.apply(batch)) as never;
      }
    })();
    await nodes.open('a');
    await nodes.open('b');
    await nodes.open('c', { machine: slow });
    await nodes.clock.until(
      () => nodes.leader !== undefined && nodes.leader.id !== 'c' && nodes.get('c').status().applied > 1,
    );
    slow.gate = new Promise((resolve) => (release = resolve));
    await ended(nodes, (nodes.leader as RaftNode<number>).propose(bytes('x')));
    let served = false;
    const read = nodes.get('c').read(() => {
      served = true;
      return slow.commands.length;
    });
    const local = nodes.get('c').read(() => slow.commands.length, { consistency: 'local' });
    await nodes.clock.elapse(500);
    expect(served).toBe(false);
    release();
    expect(await ended(nodes, read)).toBe(1);
    expect(await ended(nodes, local)).toBe(1);
  });

  it('tells state, leader, term, commit and apply, on every node (go-raft C9), and outside the step (L10)', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const told = new Map<string, unknown[]>();
    for (const id of ['a', 'b', 'c']) {
      const node = await nodes.open(id);
      const list: unknown[] = [];
      told.set(id, list);
      node.on('leader', ({ leader, term }) => list.push([leader?.id, leader?.metadata, term, node.status().term]));
      node.on('term', ({ term, previous }) => list.push(['term', previous, term]));
      node.on('state', ({ role }) => list.push(role satisfies RoleName));
      node.on('apply', ({ index }) => list.push(['apply', index]));
      node.on('commit', () => {
        throw new Error('a listener may throw');
      });
    }
    await nodes.clock.until(() => nodes.leader !== undefined);
    await nodes.clock.elapse(100);
    const id = nodes.leader?.id as string;
    for (const [node, list] of told) {
      expect(list).toContainEqual([id, `http://${id}`, 2, 2]);
      expect(list).toContainEqual(['term', 1, 2]);
      expect(list).toContainEqual(['apply', 2]);
      if (node === id)
        expect(list.filter((e) => typeof e === 'string')).toEqual(['preCandidate', 'candidate', 'leader']);
    }
    const off = nodes.get('a').on('term', () => told.get('a')?.push('heard'));
    off();
    expect(told.get('a')).not.toContain('heard');
  });

  it('is not disturbed by a process that was suspended: it lets arrivals in before it judges the time', async () => {
    await nodes.cluster('a', 'b', 'c');
    const { term } = (nodes.leader as RaftNode<number>).status();
    nodes.clock.suspend(3_000); // All of them at once: every timer is late.
    await nodes.clock.elapse(2_000);
    expect(nodes.leader?.status().term).toBe(term);
  });

  it('lets what arrived meanwhile in before it campaigns, however often it is suspended', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const process = new SuspendableProcess(nodes.clock);
    await nodes.open('a');
    await nodes.open('b');
    await nodes.open('c', { clock: process, transport: process.holding(nodes.network.transport()) });
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.get('c').status().leader !== undefined);
    const states: RoleName[] = [];
    nodes.get('c').on('state', ({ role }) => states.push(role));
    const { term } = (nodes.leader as RaftNode<number>).status();
    if (nodes.leader?.id === 'c') return;
    for (let i = 0; i < 5; i += 1) {
      process.suspend();
      await nodes.clock.elapse(3_000);
      process.resume();
      await nodes.clock.settle();
    }
    await nodes.clock.elapse(1_000);
    expect(states).toEqual([]);
    expect(nodes.leader?.status().term).toBe(term);
  });

  it('status tells what an operator asks', async () => {
    await nodes.cluster('a', 'b', 'c');
    await nodes.clock.elapse(200);
    const status = (nodes.leader as RaftNode<number>).status();
    expect(status).toMatchObject({
      role: 'leader',
      term: 2,
      committed: 2,
      applied: 2,
      last: 2,
      durable: 2,
      full: false,
    });
    expect(status.peers).toHaveLength(2);
    for (const peer of status.peers)
      expect(peer).toMatchObject({ state: 'replicate', match: 2, next: 3, inFlight: 0, lost: false });
  });

  it('memory stays within its limits while a follower is away, which then catches up from the store', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const limits = { tailBytes: 2_000, messageBytes: 500 };
    for (const id of ['a', 'b', 'c']) await nodes.open(id, { limits });
    await nodes.clock.until(() => nodes.leader !== undefined);
    const leader = nodes.leader as RaftNode<number>;
    const away = nodes.followers[0]?.id as string;
    nodes.network.isolate(away);
    for (let i = 0; i < 50; i += 1) await ended(nodes, leader.propose(bytes(`${i}`.padStart(100))));
    expect(leader.status().heldBytes).toBeLessThanOrEqual(2_000);
    nodes.network.heal();
    await nodes.clock.until(() => nodes.machine(away).commands.length === 50);
    expect(nodes.machine(away).commands).toEqual(nodes.machine(leader.id).commands);
  });
});
