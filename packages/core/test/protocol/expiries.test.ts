// Shows when a leader appends an entry because the state of its state machine expires.
import type { Entry } from '@kontiki/core';
import { Scenario } from '@kontiki/testing';
import { expect, it } from 'vitest';

/** Returns a scenario of three servers in which `a` leads. */
function led(): Scenario {
  const cluster = new Scenario(['a', 'b', 'c']);
  cluster.elect('a');
  cluster.settle();
  return cluster;
}

const lastOf = (cluster: Scenario, id: string): Entry => cluster.raft(id).log.entry(cluster.raft(id).log.lastIndex)!;
const timeOf = (cluster: Scenario, id: string): number => lastOf(cluster, id).time!;

/** Makes the state of a server expire some milliseconds of log time after its last entry. */
function expireIn(cluster: Scenario, id: string, ms: number): number {
  const time = timeOf(cluster, id) + ms;
  cluster.feed(id, (raft) => raft.setExpiry(time));
  return time;
}

it('a leader appends one entry for an expiry, within a heartbeat after it is due', () => {
  const cluster = led();
  const before = cluster.raft('a').log.lastIndex;
  const due = expireIn(cluster, 'a', 1_000);
  cluster.elapse(990);
  expect(cluster.raft('a').log.lastIndex).toBe(before);
  cluster.elapse(10 + cluster.timings.heartbeat);
  expect(cluster.raft('c').log.committed).toBe(before + 1);
  expect(lastOf(cluster, 'c')).toMatchObject({ kind: 'noop' });
  expect(timeOf(cluster, 'c')).toBeGreaterThanOrEqual(due);
  expect(timeOf(cluster, 'c')).toBeLessThanOrEqual(due + cluster.timings.heartbeat);
  cluster.elapse(10_000);
  expect(cluster.raft('a').log.lastIndex).toBe(before + 1);
});

it('a follower appends no entry for an expiry', () => {
  const cluster = led();
  const before = cluster.raft('a').log.lastIndex;
  expireIn(cluster, 'b', 100);
  cluster.elapse(1_000);
  expect(cluster.raft('b').log.lastIndex).toBe(before);
});

it('a leader appends another entry for a later expiry, and none without an expiry', () => {
  const cluster = led();
  const before = cluster.raft('a').log.lastIndex;
  expireIn(cluster, 'a', 100);
  cluster.elapse(1_000);
  expireIn(cluster, 'a', 100);
  cluster.elapse(1_000);
  cluster.feed('a', (raft) => raft.setExpiry(undefined));
  cluster.elapse(1_000);
  expect(cluster.raft('a').log.lastIndex).toBe(before + 2);
});

it('a leader whose entry for an expiry was lost appends another one in a later term', () => {
  const cluster = led();
  // The other servers receive an entry late, so their log time is behind that of the leader.
  cluster.propose('a', 'x');
  const held = cluster.hold({ kind: 'append' });
  cluster.skip(5_000);
  cluster.release(held);
  cluster.settle();
  const due = expireIn(cluster, 'a', 5_010);
  cluster.isolate('a');
  cluster.skip(20);
  cluster.tick('a');
  const lost = lastOf(cluster, 'a');
  expect(lost).toMatchObject({ kind: 'noop', term: 2 });
  expect(lost.time).toBeGreaterThanOrEqual(due);
  const leads = (id: string): boolean => cluster.raft(id).role === 'leader';
  cluster.elapseUntil(() => leads('b') || leads('c'));
  cluster.heal();
  cluster.elapse(500);
  cluster.feed(leads('b') ? 'b' : 'c', (raft) => raft.transfer('a'));
  cluster.settle();
  expect(leads('a')).toBe(true);
  expect(timeOf(cluster, 'a')).toBeLessThan(due);
  cluster.elapse(6_000);
  expect(timeOf(cluster, 'a')).toBeGreaterThanOrEqual(due);
});

it('a leader appends the entry for an expiry once a full peer has room again', () => {
  const cluster = led();
  cluster.feed('b', (raft) => raft.setFull(true));
  cluster.elapse(200);
  const before = cluster.raft('a').log.lastIndex;
  expireIn(cluster, 'a', 100);
  cluster.elapse(1_000);
  expect(cluster.raft('a').log.lastIndex).toBe(before);
  cluster.feed('b', (raft) => raft.setFull(false));
  cluster.elapse(500);
  expect(cluster.raft('a').log.lastIndex).toBe(before + 1);
});

it('expiries that follow each other cost at most one entry per heartbeat', () => {
  const cluster = led();
  const before = cluster.raft('a').log.lastIndex;
  for (let ms = 0; ms < 1_000; ms += 5) {
    expireIn(cluster, 'a', 1);
    cluster.elapse(5);
    cluster.turn('a');
  }
  const appended = cluster.raft('a').log.lastIndex - before;
  expect(appended).toBeGreaterThan(5);
  expect(appended).toBeLessThanOrEqual(1_000 / cluster.timings.heartbeat);
});

it('a leader appends no entry for an expiry that a command has passed', () => {
  const cluster = led();
  expireIn(cluster, 'a', 10);
  cluster.skip(20);
  cluster.propose('a', 'x');
  const { lastIndex } = cluster.raft('a').log;
  cluster.elapse(1_000);
  expect(cluster.raft('a').log.lastIndex).toBe(lastIndex);
});
