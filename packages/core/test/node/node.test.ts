import { afterEach, describe, expect, it } from 'vitest';
import { type Applied, type MemoryLog, type RaftNode, type ApplyBatch, type Status } from '@kontiki/core';
import { atOnce, bytes, runToOutcome, Journal, Nodes, outcome, SuspendableProcess } from './harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

describe('a cluster of RaftNodes', () => {
  it('a cluster replicates commands and returns the right result to each caller', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const results = Promise.all(['x', 'y', 'z'].map((command) => leader.propose(bytes(command))));
    await nodes.clock.elapse(20);
    expect((await results).map(({ result }) => result)).toEqual([1, 2, 3]);
    for (const id of ['a', 'b', 'c']) expect(nodes.machine(id).commands).toEqual(['x', 'y', 'z']);
  });

  it('proposals complete without waiting for a heartbeat (bugs.md#p1)', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    for (const node of nodes.nodes.values()) node.setTimings({ heartbeat: 5_000, election: 20_000 });
    const before = nodes.clock.now();
    await runToOutcome(nodes, leader.propose(bytes('x')));
    expect(nodes.clock.now() - before).toBeLessThanOrEqual(5);
    expect(nodes.machine('a').commands.length + nodes.machine('b').commands.length).toBeGreaterThan(0);
  });

  it('proposals queued together are written in one batch', async () => {
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

  it('a cluster survives a leader crash, and the old leader catches up after a restart', async () => {
    await nodes.cluster('a', 'b', 'c');
    const first = nodes.leader as RaftNode<number>;
    await runToOutcome(nodes, first.propose(bytes('x')));
    await first.close(atOnce);
    nodes.nodes.delete(first.id);
    await nodes.clock.until(() => nodes.leader !== undefined);
    await runToOutcome(nodes, (nodes.leader as RaftNode<number>).propose(bytes('y')));
    await nodes.open(first.id);
    await nodes.clock.until(() => nodes.machine(first.id).commands.length === 2);
    expect(nodes.machine(first.id).commands).toEqual(['x', 'y']);
  });

  it('a single server commits an entry once it is in its own log', async () => {
    await nodes.cluster('a');
    expect(await runToOutcome(nodes, nodes.get('a').propose(bytes('x')))).toMatchObject({ result: 1 });
    expect(nodes.machine('a').commands).toEqual(['x']);
  });

  it('any server serves linearizable reads, and local reads without waiting', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const follower = nodes.followers[0] as RaftNode<number>;
    const write = leader.propose(bytes('x'));
    await nodes.clock.until(() => nodes.machine(leader.id).commands.length === 1);
    await write;
    const count = (id: string) => (): number => nodes.machine(id).commands.length;
    expect(await runToOutcome(nodes, follower.read(count(follower.id)))).toBe(1);
    expect(await runToOutcome(nodes, leader.read(count(leader.id)))).toBe(1);
    expect(await follower.read(count(follower.id), { consistency: 'local' })).toBe(1);
  });

  it('a read rejects with the error thrown by its function', async () => {
    await nodes.cluster('a');
    const read = nodes.get('a').read(
      () => {
        throw new RangeError('mine');
      },
      { consistency: 'local' },
    );
    expect(await outcome(read)).toBeInstanceOf(RangeError);
  });

  it('a follower runs a read only after applying its read index (bugs.md#63)', async () => {
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
    await runToOutcome(nodes, (nodes.leader as RaftNode<number>).propose(bytes('x')));
    let served = false;
    const read = nodes.get('c').read(() => {
      served = true;
      return slow.commands.length;
    });
    const local = nodes.get('c').read(() => slow.commands.length, { consistency: 'local' });
    await nodes.clock.elapse(500);
    expect(served).toBe(false);
    release();
    expect(await runToOutcome(nodes, read)).toBe(1);
    expect(await runToOutcome(nodes, local)).toBe(1);
  });

  it('a local read with minIndex sees a write that another server acknowledged', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const slow = new (class extends Journal {
      override apply(batch: ApplyBatch): never {
        const writes = batch.entries.length > 0;
        return (writes ? gate.then(() => super.apply(batch)) : Promise.resolve(super.apply(batch))) as never;
      }
    })();
    await nodes.open('a');
    await nodes.open('b');
    await nodes.open('c', { machine: slow });
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.leader.id !== 'c');
    const { index, term } = (await runToOutcome(
      nodes,
      (nodes.leader as RaftNode<number>).propose(bytes('x')),
    )) as Applied<number>;
    const seen: unknown[] = [];
    const c = nodes.get('c');
    const read = c.read((at) => void seen.push(at, slow.commands.length), { consistency: 'local', minIndex: index });
    await nodes.clock.elapse(500);
    expect(seen).toEqual([]);
    release();
    await runToOutcome(nodes, read);
    expect(seen).toEqual([{ index, term, time: expect.any(Number) }, 1]);
  });

  it('a linearizable read waits for minIndex, and times out if it is never reached', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const { index } = (await runToOutcome(nodes, leader.propose(bytes('x')))) as Applied<number>;
    const follower = nodes.followers[0] as RaftNode<number>;
    expect(
      await runToOutcome(
        nodes,
        follower.read((at) => at.index, { minIndex: index }),
      ),
    ).toBe(index);
    const early = follower.read((at) => at.index, { minIndex: index + 1, timeout: 100 });
    expect(await runToOutcome(nodes, early)).toBe('KONTIKI_TIMEOUT');
    const waiting = follower.read((at) => at.index, { minIndex: index + 1 });
    await nodes.clock.elapse(50);
    await runToOutcome(nodes, leader.propose(bytes('y')));
    expect(await runToOutcome(nodes, waiting)).toBe(index + 1);
  });

  it('events are emitted after the turn, even if a listener throws (bugs.md#l10)', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const events = new Map<string, unknown[]>();
    for (const id of ['a', 'b', 'c']) {
      const node = await nodes.open(id);
      const list: unknown[] = [];
      events.set(id, list);
      node.on('leader', ({ leader, term }) => list.push([leader?.id, leader?.metadata, term, node.status().term]));
      node.on('term', ({ term, previous }) => list.push(['term', previous, term]));
      node.on('state', ({ role }) => list.push(role satisfies Status['role']));
      node.on('apply', ({ index }) => list.push(['apply', index]));
      node.on('commit', () => {
        throw new Error('a listener may throw');
      });
    }
    await nodes.clock.until(() => nodes.leader !== undefined);
    await nodes.clock.elapse(100);
    const id = nodes.leader?.id as string;
    for (const [node, list] of events) {
      expect(list).toContainEqual([id, `http://${id}`, 2, 2]);
      expect(list).toContainEqual(['term', 1, 2]);
      expect(list).toContainEqual(['apply', 2]);
      if (node === id)
        expect(list.filter((e) => typeof e === 'string')).toEqual(['preCandidate', 'candidate', 'leader']);
    }
  });

  it('a removed listener is not called', async () => {
    await nodes.bootstrap('a');
    const node = await nodes.open('a');
    const terms: number[] = [];
    const remove = node.on('term', ({ term }) => terms.push(term));
    remove();
    await nodes.clock.until(() => node.isLeader);
    expect(terms).toEqual([]);
  });

  it('a cluster keeps its leader after all processes have been suspended', async () => {
    await nodes.cluster('a', 'b', 'c');
    const { term } = (nodes.leader as RaftNode<number>).status();
    nodes.clock.suspend(3_000); // Suspends all processes together, so every timer is late.
    await nodes.clock.elapse(2_000);
    expect(nodes.leader?.status().term).toBe(term);
  });

  it('a resumed follower processes waiting messages before checking its timers', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const process = new SuspendableProcess(nodes.clock);
    await nodes.open('a');
    await nodes.open('b');
    await nodes.open('c', { clock: process, transport: process.wrap(nodes.network.transport()) });
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.get('c').status().leader !== undefined);
    const states: Status['role'][] = [];
    nodes.get('c').on('state', ({ role }) => states.push(role));
    const { term } = (nodes.leader as RaftNode<number>).status();
    expect(nodes.leader?.id).not.toBe('c');
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

  it('status reports the log, the term and the progress of each peer', async () => {
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

  it('setTimings changes both timings of a running cluster', async () => {
    await nodes.cluster('a', 'b', 'c');
    const old = nodes.leader as RaftNode<number>;
    for (const node of nodes.nodes.values()) node.setTimings({ heartbeat: 1_000, election: 10_000 });
    const silentFor: number[] = [];
    for (let i = 0; i < 30; i += 1) {
      await nodes.clock.elapse(100); // Meanwhile every follower hears a heartbeat and starts a new timer.
      silentFor.push(...old.status().peers.map((peer) => peer.silentFor));
    }
    expect(Math.max(...silentFor)).toBeGreaterThan(800);
    const others = nodes.followers;
    nodes.network.isolate(old.id);
    await nodes.clock.elapse(8_000);
    expect(others.map(({ leader }) => leader?.id)).toEqual([old.id, old.id]);
    await nodes.clock.until(() => others.some((node) => node.isLeader));
  });

  it('a leader keeps at most tailBytes in memory, and lagging followers still catch up', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const limits = { tailBytes: 2_000, messageBytes: 500 };
    for (const id of ['a', 'b', 'c']) await nodes.open(id, { limits });
    await nodes.clock.until(() => nodes.leader !== undefined);
    const leader = nodes.leader as RaftNode<number>;
    const away = nodes.followers[0]?.id as string;
    nodes.network.isolate(away);
    for (let i = 0; i < 50; i += 1) await runToOutcome(nodes, leader.propose(bytes(`${i}`.padStart(100))));
    expect(leader.status().heldBytes).toBeLessThanOrEqual(2_000);
    nodes.network.heal();
    await nodes.clock.until(() => nodes.machine(away).commands.length === 50);
    expect(nodes.machine(away).commands).toEqual(nodes.machine(leader.id).commands);
  });
});
