// Shows when a node serves lease reads by its lease, and how operators set the length of leases. See
// protocol/leases.test.ts for the protocol.
import { MemoryLog, membershipOf, recoverServer, type ApplyBatch, type Clock, type RaftNode } from '@kontiki/core';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bytes, Journal, Nodes, outcome, runToOutcome } from './harness.js';

const LEASE = 400;
const lease = { consistency: 'lease' } as const;

let nodes: Nodes;
/** The wall clock minus the monotonic clock of all servers. */
let wallOffset: number;
beforeEach(() => {
  nodes = new Nodes();
  wallOffset = 0;
});
afterEach(() => nodes.close());

const run = (promise: Promise<unknown>): Promise<unknown> => runToOutcome(nodes, promise);

function clock(): Clock {
  const { clock: virtual } = nodes;
  return {
    now: () => virtual.now(),
    wall: () => virtual.now() + wallOffset,
    timer: (fire) => virtual.timer(fire),
    defer: (callback) => virtual.defer(callback),
  };
}

/** Opens three servers and resolves with their leader, which holds a lease. */
async function cluster(machine = new Journal()): Promise<RaftNode<number>> {
  await nodes.bootstrap('a', 'b', 'c');
  for (const id of ['a', 'b', 'c']) {
    await nodes.open(id, { clock: clock(), ...(id === 'a' ? { machine } : {}) });
  }
  await nodes.clock.until(() => nodes.leader !== undefined);
  if (nodes.leader?.id !== 'a') await run((nodes.leader as RaftNode<number>).members.transferLeadership('a'));
  const leader = nodes.get('a');
  await nodes.clock.until(() => leader.isLeader);
  await run(leader.members.setLease(LEASE));
  await nodes.clock.until(() => leader.status().holdsLease);
  return leader;
}

/** Starts a lease read. `times` counts how often its function has run. */
function read(node: RaftNode<number>, during = (): void => {}): { times: number; readonly done: Promise<number> } {
  const counted = { times: 0 };
  const done = node.read(({ index }) => {
    counted.times += 1;
    during();
    return index;
  }, lease);
  return Object.assign(counted, { done });
}

it('a leader that holds a lease serves a lease read at once', async () => {
  const leader = await cluster();
  const { index } = (await run(leader.propose(bytes('x')))) as { index: number };
  const reading = read(leader);
  expect(reading.times).toBe(1);
  expect(await reading.done).toBe(index);
});

it('a lease read without a lease is a linearizable read', async () => {
  const leader = await cluster();
  const { index } = (await run(leader.propose(bytes('x')))) as { index: number };
  const onFollower = read(nodes.get('b'));
  expect(onFollower.times).toBe(0);
  expect(await run(onFollower.done)).toBe(index);
  await run(leader.members.setLease(0));
  const off = read(leader);
  expect(off.times).toBe(0);
  expect(await run(off.done)).toBe(index + 1);
});

it('a lease read runs again if the lease ends while its function runs', async () => {
  const leader = await cluster();
  let reading: ReturnType<typeof read> | undefined;
  const stall = (): void => {
    if (reading === undefined) nodes.clock.suspend(LEASE);
  };
  reading = read(leader, stall);
  expect(await run(reading.done)).toBe(leader.status().applied);
  expect(reading.times).toBe(2);
});

it('an error from a read whose lease has ended is discarded', async () => {
  const leader = await cluster();
  let times = 0;
  const reading = leader.read(() => {
    times += 1;
    if (times > 1) return times;
    nodes.clock.suspend(LEASE);
    throw new Error('stale');
  }, lease);
  expect(await run(reading)).toBe(2);
});

it('a leader whose machine was suspended serves no lease read before the next heartbeat', async () => {
  const leader = await cluster();
  wallOffset = 60_000;
  expect(leader.status()).toMatchObject({ leaseMs: LEASE, holdsLease: false });
  const reading = read(leader);
  expect(reading.times).toBe(0);
  await run(reading.done);
  await nodes.clock.until(() => leader.status().holdsLease);
  expect(read(leader).times).toBe(1);
});

it('a lease read waits until committed entries are applied', async () => {
  let release = (): void => {};
  const slow = new (class extends Journal {
    gate: Promise<void> = Promise.resolve();
    override apply(batch: ApplyBatch): never {
      return this.gate.then(() => super.apply(batch)) as never;
    }
  })();
  const leader = await cluster(slow);
  slow.gate = new Promise((resolve) => (release = resolve));
  const written = leader.propose(bytes('x'));
  await nodes.clock.until(() => leader.status().committed > leader.status().applied);
  const { committed } = leader.status();
  const reading = read(leader);
  await nodes.clock.elapse(50);
  expect(reading.times).toBe(0);
  release();
  expect(await run(reading.done)).toBe(committed);
  await written;
});

it('a lease read waits for minIndex', async () => {
  const leader = await cluster();
  const minIndex = leader.status().applied + 1;
  const reading = leader.read(({ index }) => index, { ...lease, minIndex });
  await run(leader.propose(bytes('x')));
  expect(await run(reading)).toBe(minIndex);
});

it('status shows the length of leases and whether a leader holds one', async () => {
  const leader = await cluster();
  expect(leader.status()).toMatchObject({ leaseMs: LEASE, holdsLease: true });
  expect(nodes.get('b').status()).toMatchObject({ leaseMs: LEASE, holdsLease: false });
  nodes.clock.suspend(LEASE);
  expect(leader.status().holdsLease).toBe(false);
});

it.each([-1, 1, 49, 60.5, 3_600_001, Number.NaN, '100'])('setLease rejects the length %s', async (leaseMs) => {
  const leader = await cluster();
  expect(await run(leader.members.setLease(leaseMs as number))).toBe('KONTIKI_BAD_OPTION');
  expect(leader.status().leaseMs).toBe(LEASE);
});

it('setLease is refused with a wrong expected revision or an unknown option', async () => {
  const leader = await cluster();
  expect(await run(leader.members.setLease(100, { expected: 9 }))).toBe('KONTIKI_REVISION');
  expect(await run(leader.members.setLease(100, { force: true } as object))).toBe('KONTIKI_BAD_OPTION');
});

it('setLease is refused at feature level 1', async () => {
  const log = new MemoryLog();
  await log.open({ cluster: 'test', server: 'a' });
  const membership = membershipOf([['a', { address: 'memory:a', metadata: '' }]], [], 1);
  await log.append({ entries: [{ kind: 'membership', index: 1, term: 1, membership }], committed: 1 });
  await log.close();
  nodes.logs.set('a', log);
  const node = await nodes.open('a');
  await nodes.clock.until(() => node.isLeader && node.status().applied > 1);
  expect(await run(node.members.setLease(100))).toBe('KONTIKI_LEVEL');
});

it('a recovered server keeps the length of leases, and keeps its promise', async () => {
  const leader = await cluster();
  await nodes.close();
  const log = nodes.logs.get('a') as MemoryLog;
  await recoverServer(log, { cluster: 'test', server: 'a' });
  nodes.nodes.clear();
  const started = nodes.clock.now();
  const recovered = await nodes.open('a', { clock: clock(), timings: { heartbeat: 5, election: 10 } });
  expect(recovered.status()).toMatchObject({ leaseMs: LEASE, membership: { voters: ['a'] } });
  await nodes.clock.until(() => recovered.isLeader);
  expect(nodes.clock.now() - started).toBeGreaterThanOrEqual(LEASE);
  expect(leader.status().role).toBe('closed');
});

it('an unknown consistency is refused', async () => {
  const leader = await cluster();
  const reading = leader.read(() => 1, { consistency: 'Lease' as never });
  expect(await outcome(reading)).toBe('KONTIKI_BAD_OPTION');
});
