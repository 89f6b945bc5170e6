// Shows that a program that calls a node in a loop does not keep the event loop from handling
// other events. The node runs on the real clock. The node is the only server of its cluster, so it
// sends no messages.
import { bootstrap, MemoryLog, MemoryNetwork, RaftNode } from '@kontiki/core';
import { expect, it } from 'vitest';
import { Journal } from './harness.js';

/** More reads than the node completes before a timer of one millisecond fires. */
const MANY = 100_000;

it('reads in a loop on a cluster of one server do not block timers', async () => {
  const log = new MemoryLog();
  await bootstrap(log, { cluster: 'test', server: 'a', members: { a: 'memory:a' } });
  const transport = new MemoryNetwork().transport();
  const node = await RaftNode.open({ id: 'a', cluster: 'test', log, transport, machine: new Journal() });
  await node.waitForLeader();
  await node.read(() => 1);
  let fired = false;
  setTimeout(() => (fired = true), 1);
  for (let reads = 0; reads < MANY && !fired; reads += 1) await node.read(() => 1);
  expect(fired).toBe(true);
  await node.close();
});
