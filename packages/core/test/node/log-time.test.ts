// Shows which log time the entries of nodes have, and that it survives restarts, snapshots,
// changes of the leader, recoveries and restored backups.
import { MemoryLog, MemorySnapshots, recoverServer, restoreServer, type RaftNode } from '@kontiki/core';
import { expect, it } from 'vitest';
import { atOnce, bytes } from './harness.js';
import { cluster, nodes, onDemand, open, runToEnd, stores, write } from './snapshot-harness.js';

/** Resolves with the log time of the last entry that a server has applied. */
function timeOf(node: RaftNode<number>): Promise<number> {
  return runToEnd(node.read(({ time }) => time)) as Promise<number>;
}

async function restarted(id: string): Promise<RaftNode<number>> {
  const node = await open(id, { snapshotPolicy: onDemand });
  await nodes.clock.until(() => node.isLeader);
  return node;
}

it('log time advances with real time while a leader runs', async () => {
  const node = await cluster(['a', 'b', 'c']);
  await write(1);
  const before = await timeOf(node);
  await nodes.clock.elapse(60_000);
  await write(1);
  const passed = (await timeOf(node)) - before;
  expect(passed).toBeGreaterThan(59_000);
  expect(passed).toBeLessThan(61_000);
});

it('all servers have the same log time at the same entry', async () => {
  await cluster(['a', 'b', 'c']);
  await nodes.clock.elapse(10_000);
  await write(1);
  const times = await Promise.all([...nodes.nodes.values()].map((node) => timeOf(node)));
  expect(new Set(times).size).toBe(1);
});

it('log time continues after a restart whose log holds only a snapshot, without the time between', async () => {
  const node = await cluster(['a']);
  await nodes.clock.elapse(10_000);
  await write(1);
  const before = await timeOf(node);
  await runToEnd(node.snapshot());
  expect(node.status()).toMatchObject({ base: node.status().last });
  await runToEnd(node.close(atOnce));
  await nodes.clock.elapse(100_000);
  const again = await restarted('a');
  expect(await timeOf(again)).toBeGreaterThanOrEqual(before);
  expect(await timeOf(again)).toBeLessThan(before + 5_000);
});

it('a restarted server knows the log time of its snapshot before any entry arrives', async () => {
  await cluster(['a', 'b']);
  await nodes.clock.elapse(10_000);
  await write(1);
  await nodes.clock.elapse(1_000);
  const { time } = (await runToEnd(nodes.get('a').snapshot())) as { time?: number };
  for (const one of nodes.nodes.values()) await runToEnd(one.close(atOnce));
  // Without the other voter, the server has no leader, so no new entry arrives.
  const again = await open('a', { snapshotPolicy: onDemand });
  expect(time).toBeGreaterThan(9_000);
  expect(await again.read((at) => at.time, { consistency: 'local' })).toBe(time);
});

it('log time continues on a leader that has received a snapshot', async () => {
  const node = await cluster(['a']);
  await nodes.clock.elapse(10_000);
  await write(1);
  await runToEnd(node.snapshot());
  const before = await timeOf(node);
  const joined = await open('b', { snapshotPolicy: onDemand });
  await runToEnd(node.members.addVoter('b', 'memory:b'));
  await runToEnd(node.members.transferLeadership('b'));
  await nodes.clock.until(() => joined.isLeader);
  await write(1);
  expect(await timeOf(joined)).toBeGreaterThanOrEqual(before);
  expect(await timeOf(joined)).toBeLessThan(before + 10_000);
});

it('log time continues after the recovery of a lost majority', async () => {
  const { id } = await cluster(['a', 'b', 'c']);
  await nodes.clock.elapse(10_000);
  await write(1);
  const before = await timeOf(nodes.get(id));
  for (const node of nodes.nodes.values()) await runToEnd(node.close(atOnce));
  await recoverServer(nodes.logs.get(id) as MemoryLog, { cluster: 'test', server: id, snapshots: stores.get(id) });
  expect(await timeOf(await restarted(id))).toBeGreaterThanOrEqual(before);
});

it('log time continues in a cluster that was restored from a snapshot', async () => {
  const node = await cluster(['a']);
  await nodes.clock.elapse(10_000);
  await write(1);
  const before = await timeOf(node);
  const { id } = (await runToEnd(node.snapshot())) as { id: string };
  const backup = (stores.get('a') as MemorySnapshots).read(id);
  const [log, snapshots] = [new MemoryLog(), new MemorySnapshots()];
  await restoreServer(log, snapshots, backup, { cluster: 'restored', server: 'r', address: 'memory:r' });
  nodes.logs.set('r', log);
  stores.set('r', snapshots);
  const restored = await open('r', { cluster: 'restored', snapshotPolicy: onDemand });
  await nodes.clock.until(() => restored.isLeader);
  await runToEnd(restored.propose(bytes('y')));
  expect(await timeOf(restored)).toBeGreaterThanOrEqual(before);
});
