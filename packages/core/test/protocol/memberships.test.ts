import { membershipOf, type Membership } from '@kontiki/core';
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const ids = ['a', 'b', 'c', 'd', 'e'];

function membership(voters: string[], outgoing: string[], learners: string[] = []): Membership {
  const { servers } = membershipOf(
    [...new Set([...voters, ...outgoing, ...learners])].map((id) => [id, { address: id, metadata: '' }]),
  );
  return { voters, outgoing, learners, learnersNext: [], servers };
}

/** a leads; its log holds a membership that it has appended and nobody else has heard of. */
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

  it('get the log, never campaign, also after a restart, and lead nobody (row 20)', () => {
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

  it('count neither for commits nor for the leader’s place (row 46)', () => {
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

  it('that are blank get everything from the first entry on, the membership with it', () => {
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
  // Majorities: two of a, b, c and two of c, d, e.
  const joint = membership(['a', 'b', 'c'], ['c', 'd', 'e']);

  it.each([
    { down: ['b', 'd'], able: true },
    { down: ['c'], able: true },
    { down: ['d', 'e'], able: false },
    { down: ['b', 'c'], able: false },
    { down: ['c', 'd'], able: false },
  ])('commit and read by a majority of each half: without $down: $able (rule 7)', ({ down, able }) => {
    const cluster = new Scenario(ids, { membership: joint });
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    for (const id of down) cluster.crash(id);
    cluster.propose('a', 'x');
    const ticket = cluster.read('a');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(able ? 3 : 2);
    expect(cluster.answer('a', ticket)).toBe(able ? 2 : undefined);
    cluster.elapse(3 * cluster.timings.election);
    expect(cluster.leaders).toEqual(able ? ['a'] : []); // Check-quorum too.
  });

  it.each([
    { down: ['b', 'd'], able: true },
    { down: ['d', 'e'], able: false },
    { down: ['b', 'c'], able: false },
  ])('elect by a majority of each half: without $down: $able (rule 7)', ({ down, able }) => {
    const cluster = new Scenario(ids, { membership: joint });
    for (const id of down) cluster.crash(id);
    cluster.elapse(20 * cluster.timings.election);
    expect(cluster.leaders).toHaveLength(able ? 1 : 0);
    expect(Math.max(...ids.map((id) => cluster.raft(id).ballot.term))).toBe(able ? 2 : 1);
  });
});

describe('a membership that was appended', () => {
  it('is in force at once: what was proposed before needs its quorum too (row 97)', () => {
    const cluster = appended(membership(['a', 'b'], ids));
    cluster.isolate('b');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(['c', 'd', 'e'].map((id) => cluster.raft(id).log.durable)).toEqual([4, 4, 4]);
    expect(cluster.raft('a').log.committed).toBe(2);
    cluster.heal();
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.raft('a').log.committed).toBe(4);
  });

  it('and was replaced before it was committed is in force no more: its server goes by the one before (row 103)', () => {
    const next = membership(['a', 'b'], ids);
    const cluster = appended(next);
    cluster.isolate('a');
    cluster.settle();
    expect(cluster.raft('a').log.membership).toEqual(next);
    cluster.elapseUntil(() => cluster.leaders.some((id) => id !== 'a'));
    cluster.heal();
    cluster.elapse(2 * cluster.timings.election);
    expect(cluster.raft('a').log.membership).toEqual(cluster.raft('b').log.membership);
    // Without b it could not win by the membership that is gone.
    cluster.crash('b');
    for (const id of cluster.leaders) if (id !== 'a') cluster.crash(id);
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('a');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(cluster.raft('a').log.lastIndex);
  });

  it('binds its holder in elections, also when it was never committed: it needs both halves (rows 97, 101)', () => {
    const cluster = appended(membership(['a', 'b'], ids));
    for (const id of ['b', 'c', 'd']) cluster.isolate(id);
    cluster.settle();
    cluster.crash('a');
    cluster.start('a'); // It comes back with what it wrote.
    expect(cluster.raft('a').log.membership?.voters).toEqual(['a', 'b']);
    cluster.heal();
    cluster.isolate('b');
    cluster.skip(2 * cluster.timings.election);
    expect(() => cluster.elect('a')).toThrow('not elected');
    cluster.heal();
    cluster.elect('a');
  });
});
