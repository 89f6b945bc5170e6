// Shows when a leader reports that its peers answer, and that they no longer do.
import { afterEach, expect, it } from 'vitest';
import type { RaftNode } from '@kontiki/core';
import { Nodes, SuspendableProcess } from './harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

/** Returns a list to which the peer events of a node are added. */
function record(node: RaftNode<number>): string[] {
  const events: string[] = [];
  node.on('peer', ({ peer, answers }) => events.push(`${peer} ${answers ? 'answers' : 'is silent'}`));
  return events;
}

it('a leader reports peers that stop answering and answer again', async () => {
  await nodes.cluster('a', 'b', 'c');
  const leader = nodes.leader as RaftNode<number>;
  await nodes.clock.elapse(100);
  const [peer] = nodes.followers as [RaftNode<number>];
  const events = record(leader);
  nodes.network.isolate(peer.id);
  await nodes.clock.elapse(400);
  expect(events).toEqual([`${peer.id} is silent`]);
  nodes.network.heal();
  await nodes.clock.until(() => events.length > 1);
  expect(events).toEqual([`${peer.id} is silent`, `${peer.id} answers`]);
});

it('a new leader reports a peer that has not answered it for an election timeout', async () => {
  await nodes.cluster('a', 'b', 'c');
  await nodes.clock.elapse(200);
  const lost = nodes.leader as RaftNode<number>;
  const events = new Map(nodes.followers.map((node) => [node.id, record(node)]));
  nodes.network.isolate(lost.id);
  await nodes.clock.elapse(2_000);
  const next = nodes.leader as RaftNode<number>;
  expect(events.get(next.id)).toContain(`${lost.id} is silent`);
});

it('a leader whose process was stalled does not report its peers as silent', async () => {
  const process = new SuspendableProcess(nodes.clock);
  await nodes.bootstrap('a', 'b', 'c');
  await nodes.open('a', { clock: process, transport: process.wrap(nodes.network.transport()) });
  for (const id of ['b', 'c']) await nodes.open(id, { timings: { heartbeat: 50, election: 2_000 } });
  await nodes.clock.until(() => nodes.get('a').isLeader);
  await nodes.clock.elapse(300);
  const events = record(nodes.get('a'));
  process.suspend();
  await nodes.clock.elapse(230);
  process.resume();
  await nodes.clock.elapse(300);
  expect(events).toEqual([]);
});

it('a new leader reports its peers when they first answer, and a follower reports none', async () => {
  await nodes.bootstrap('a', 'b', 'c');
  const opened = await Promise.all(['a', 'b', 'c'].map((id) => nodes.open(id)));
  const events = new Map(opened.map((node) => [node.id, record(node)]));
  await nodes.clock.until(() => nodes.leader !== undefined);
  await nodes.clock.elapse(300);
  const { id } = nodes.leader as RaftNode<number>;
  for (const [server, seen] of events) {
    const others = ['a', 'b', 'c'].filter((other) => other !== id);
    expect(seen.toSorted()).toEqual(server === id ? others.map((other) => `${other} answers`) : []);
  }
});
