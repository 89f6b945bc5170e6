// Shows what callers and operators see when a leader's disk stops answering without reporting an
// error.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RaftNode } from '@kontiki/core';
import { bytes, GatedLog, Nodes, outcome, runToOutcome } from './harness.js';

let nodes: Nodes;
let leader: RaftNode<number>;
beforeEach(async () => {
  nodes = new Nodes();
  for (const id of ['a', 'b', 'c']) nodes.logs.set(id, new GatedLog());
  await nodes.cluster('a', 'b', 'c');
  await nodes.clock.elapse(300);
  leader = nodes.leader as RaftNode<number>;
});
afterEach(() => nodes.close());

it('a cluster recovers within seconds when the disk of its leader stops answering', async () => {
  const log = nodes.logs.get(leader.id) as GatedLog;
  const events: unknown[] = [];
  leader.on('stalled', ({ stalled }) => events.push(stalled));
  log.hold();
  void outcome(leader.propose(bytes('x')));
  await nodes.clock.until(() => nodes.leader !== undefined && nodes.leader !== leader);
  expect(nodes.clock.now()).toBeLessThan(5_000);
  expect([leader.status().diskStalled, events]).toEqual([true, [true]]);
  const next = nodes.leader as RaftNode<number>;
  expect(await runToOutcome(nodes, next.propose(bytes('y')))).toMatchObject({ result: 2 });
  log.release();
  await nodes.clock.until(() => nodes.machine(leader.id).commands.length === 2);
  expect([leader.status().diskStalled, events]).toEqual([false, [true, false]]);
});
