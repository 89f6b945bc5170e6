// Shows how learners, joint memberships and uncommitted memberships affect elections, commits and
// reads. The tests write the memberships directly into the logs. See membership-changes.test.ts for
// how leaders change them.
import { membershipOf, type Membership } from '@kontiki/core';
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const ids = ['a', 'b', 'c', 'd', 'e'];

function membership(voters: string[], outgoing: string[], learners: string[] = []): Membership {
  const { servers } = membershipOf(
    [...new Set([...voters, ...outgoing, ...learners])].map((id) => [id, { address: id, metadata: '' }]),
  );
  const lists = { voters, outgoing, learners, learnersNext: [], servers };
  return { level: 1, revision: 0, founded: true, epoch: '', leaseMs: 0, ...lists };
}

/**
 * Returns a scenario in which server `a` leads and has appended a membership, but has not sent it
 * yet.
 */
function appended(next: Membership): Scenario {
  const cluster = new Scenario(ids);
  cluster.elect('a');
  cluster.elapse(cluster.timings.heartbeat);
  cluster.feed('a', ({ log, ballot }) => {
    log.append({ kind: 'membership', index: log.lastIndex + 1, term: ballot.term, membership: next });
  });
  return cluster;
}

describe('learners', () => {
  const learning = membership(['a', 'b', 'c'], [], ['d', 'e']);

  it('learners receive the log but never campaign, even after a restart', () => {
    const cluster = new Scenario(ids, { membership: learning });
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.elapse(cluster.timings.heartbeat);
    expect(cluster.server('d').applied).toEqual(cluster.server('a').applied);
    for (const id of ['a', 'b', 'd']) cluster.crash(id);
    cluster.start('d');
    cluster.drop();
    cluster.elapse(20 * cluster.timings.election);
    expect(cluster.leaders).toEqual([]);
    expect(['d', 'e'].map((id) => cluster.raft(id).role)).toEqual(['follower', 'follower']);
  });

  it('learners do not count for commits or check-quorum (bugs.md#46)', () => {
    const cluster = new Scenario(ids, { membership: learning });
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.crash('b');
    cluster.crash('c');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(['d', 'e'].map((id) => cluster.raft(id).log.durable)).toEqual([3, 3]);
    expect(cluster.raft('a').log.committed).toBe(2);
    cluster.elapse(3 * cluster.timings.election);
    expect(cluster.leaders).toEqual([]);
  });

  it('a blank learner receives the whole log, including the membership', () => {
    const cluster = new Scenario(ids, { membership: learning });
    cluster.wipe('e');
    cluster.elect('a');
    for (let i = 0; i < 10; i += 1) cluster.propose('a', `${i}`);
    cluster.settle();
    cluster.start('e');
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.server('e').applied).toEqual(cluster.server('a').applied);
    expect(cluster.raft('e').log.membership).toEqual(learning);
  });
});

describe('joint memberships', () => {
  // A joint membership. Its quorums need two of the servers `a`, `b` and `c`, and two of the
  // servers `c`, `d` and `e`.
  const joint = membership(['a', 'b', 'c'], ['c', 'd', 'e']);

  it.each([
    { down: ['b', 'd'], able: true },
    { down: ['c'], able: true },
    { down: ['d', 'e'], able: false },
    { down: ['b', 'c'], able: false },
    { down: ['c', 'd'], able: false },
  ])('a joint membership without $down can commit and read: $able (bugs.md#46)', ({ down, able }) => {
    const cluster = appended(joint);
    for (const id of down) cluster.crash(id);
    cluster.propose('a', 'x');
    const ticket = cluster.read('a');
    cluster.settle();
    expect(cluster.raft('a').log.committed >= 4).toBe(able);
    expect(cluster.answer('a', ticket)).toBe(able ? 2 : undefined);
    cluster.elapse(3 * cluster.timings.election);
    expect(cluster.leaders).toEqual(able ? ['a'] : []); // Check-quorum also needs both majorities.
  });

  it.each([
    { down: ['b', 'd'], able: true },
    { down: ['d', 'e'], able: false },
    { down: ['b', 'c'], able: false },
  ])('a joint membership without $down can elect a leader: $able', ({ down, able }) => {
    const cluster = new Scenario(ids, { membership: joint });
    for (const id of down) cluster.crash(id);
    cluster.elapse(20 * cluster.timings.election);
    expect(cluster.leaders).toHaveLength(able ? 1 : 0);
    expect(Math.max(...ids.map((id) => cluster.raft(id).ballot.term))).toBe(able ? 2 : 1);
  });
});

describe('uncommitted memberships', () => {
  it('an appended membership takes effect before it is committed', () => {
    const cluster = appended(membership(['a', 'b'], ids));
    cluster.isolate('b');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(['c', 'd', 'e'].map((id) => cluster.raft(id).log.durable)).toEqual([4, 4, 4]);
    expect(cluster.raft('a').log.committed).toBe(2);
    cluster.heal();
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.raft('a').log.committed).toBeGreaterThanOrEqual(4);
  });

  it('replacing an uncommitted membership restores the previous membership', () => {
    const next = membership(['a', 'b'], ids);
    const cluster = appended(next);
    cluster.isolate('a');
    cluster.settle();
    expect(cluster.raft('a').log.membership).toEqual(next);
    cluster.elapseUntil(() => cluster.leaders.some((id) => id !== 'a'));
    cluster.heal();
    cluster.elapse(2 * cluster.timings.election);
    expect(cluster.raft('a').log.membership).toEqual(cluster.raft('b').log.membership);
    // Under the membership that was replaced, `a` could not win without `b`.
    cluster.crash('b');
    for (const id of cluster.leaders) if (id !== 'a') cluster.crash(id);
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('a');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(cluster.raft('a').log.lastIndex);
  });

  it('a server with an uncommitted joint membership needs both majorities', () => {
    const cluster = appended(membership(['a', 'b'], ids));
    for (const id of ['b', 'c', 'd']) cluster.isolate(id);
    cluster.settle();
    cluster.crash('a');
    cluster.start('a'); // The membership is on a's disk.
    expect(cluster.raft('a').log.membership?.voters).toEqual(['a', 'b']);
    cluster.heal();
    cluster.isolate('b');
    cluster.skip(2 * cluster.timings.election);
    expect(() => cluster.elect('a')).toThrow('not elected');
    cluster.heal();
    cluster.elect('a');
  });
});
