// Shows when a server's disk counts. All initial servers of a cluster must take part in founding
// it. After that, a server's votes and acknowledgements count only with the disk that the
// membership names.
import { membershipOf, type Member } from '@kontiki/core';
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const addressOf = (id: string): Member => ({ address: `memory:${id}`, metadata: '' });

/** Returns a scenario with a cluster that has just been bootstrapped and is not founded yet. */
function begun(ids: readonly string[], stores = true): Scenario {
  const membership = { ...membershipOf(ids.map((id) => [id, addressOf(id)])), founded: false };
  return new Scenario(ids, { membership, stores });
}

/** Returns a scenario with a founded cluster in which server `a` leads. */
function founded(...ids: string[]): Scenario {
  const cluster = begun(ids);
  cluster.elect('a');
  cluster.settle();
  cluster.elapse(2 * cluster.timings.heartbeat);
  expect(cluster.raft('a').log.membership?.founded).toBe(true);
  return cluster;
}

function kinds(cluster: Scenario, id: string): string[] {
  return cluster.server(id).reports.map(({ kind }) => kind);
}

function stores(cluster: Scenario, id: string): Record<string, number | undefined> {
  const { servers } = cluster.raft(id).log.membership ?? { servers: new Map<string, Member>() };
  return Object.fromEntries([...servers].map(([server, { store }]) => [server, store]));
}

/** Returns the stores that the servers currently have. */
function actual(cluster: Scenario, ...ids: string[]): Record<string, number | undefined> {
  return Object.fromEntries(ids.map((id) => [id, cluster.server(id).disk.life?.id]));
}

describe('the founding of a cluster', () => {
  it('a cluster that is not founded elects no leader without all initial servers', () => {
    const cluster = begun(['a', 'b', 'c']);
    cluster.crash('c');
    cluster.elapse(20 * cluster.timings.election);
    expect(cluster.leaders).toEqual([]);
    cluster.start('c');
    cluster.elapse(20 * cluster.timings.election);
    expect(cluster.leaders).toHaveLength(1);
  });

  it('the first leader records all stores and founds the cluster in two entries', () => {
    const cluster = founded('a', 'b', 'c');
    for (const id of ['a', 'b', 'c']) expect(stores(cluster, id)).toEqual(actual(cluster, 'a', 'b', 'c'));
    const kindsOf = cluster.server('a').disk.entries.map(({ kind }) => kind);
    expect(kindsOf).toEqual(['membership', 'noop', 'membership', 'membership']);
    cluster.crash('c');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(5);
  });

  it('a disk that is lost before the cluster is founded may be bootstrapped again', () => {
    const cluster = begun(['a', 'b', 'c']);
    cluster.isolate('c');
    cluster.elapse(5 * cluster.timings.election);
    cluster.wipe('c');
    cluster.bootstrapAgain('c');
    cluster.heal();
    cluster.elapse(20 * cluster.timings.election);
    const [leader] = cluster.leaders as [string];
    expect(cluster.raft(leader).log.membership?.founded).toBe(true);
    expect(stores(cluster, leader)).toEqual(actual(cluster, 'a', 'b', 'c'));
  });

  it('a store that is lost before the cluster is founded is replaced by the new one', () => {
    const cluster = begun(['a', 'b', 'c']);
    cluster.campaign('a');
    cluster.settle(({ to, message }) => to === 'c' && message.kind === 'append' && message.prevIndex === 2);
    expect(stores(cluster, 'a')).toEqual(actual(cluster, 'a', 'b', 'c'));
    cluster.wipe('c');
    cluster.bootstrapAgain('c');
    cluster.drop({ to: 'c' });
    cluster.elapse(20 * cluster.timings.election);
    const [leader] = cluster.leaders as [string];
    expect(cluster.raft(leader).log.membership?.founded).toBe(true);
    expect(stores(cluster, leader)).toEqual(actual(cluster, 'a', 'b', 'c'));
  });

  it('a membership change is refused before the cluster is founded', () => {
    // Servers of an earlier version do not send the ids of their stores.
    const cluster = begun(['a', 'b', 'c'], false);
    cluster.elect('a');
    cluster.settle();
    const result = cluster.feed('a', (raft) => raft.changeMembership([{ kind: 'remove', id: 'c' }]));
    expect(result).toMatchObject({ refused: 'founding' });
  });
});

describe('a lost disk that is bootstrapped again', () => {
  it('an entry survives the loss of a disk whose server had acknowledged the entry', () => {
    const cluster = founded('a', 'b', 'c', 'd', 'e');
    for (const id of ['d', 'e']) cluster.isolate(id);
    const at = cluster.propose('a', 'X');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe((at as { index: number }).index);
    for (const id of ['a', 'b']) cluster.crash(id);
    cluster.wipe('c');
    cluster.bootstrapAgain('c');
    cluster.heal();
    cluster.elapse(40 * cluster.timings.election);
    expect(cluster.leaders).toEqual([]);
    cluster.start('b');
    cluster.elapse(40 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['b']);
    expect(cluster.raft('d').log.committed).toBeGreaterThanOrEqual((at as { index: number }).index);
    expect(kinds(cluster, 'b')).toContain('otherStore');
  });

  it('a server with a lost disk receives the log, but its replies do not count', () => {
    const cluster = founded('a', 'b', 'c');
    cluster.wipe('c');
    cluster.bootstrapAgain('c');
    cluster.elapse(4 * cluster.timings.heartbeat);
    cluster.crash('b');
    const at = cluster.propose('a', 'X') as { index: number };
    cluster.settle();
    cluster.elapse(cluster.timings.heartbeat);
    expect(cluster.raft('c').log.lastIndex).toBe(at.index);
    expect(cluster.raft('a').log.committed).toBeLessThan(at.index);
  });

  it('a server with a lost disk is told once per term that it does not count', () => {
    const cluster = founded('a', 'b', 'c');
    cluster.wipe('c');
    cluster.bootstrapAgain('c');
    cluster.elapse(10 * cluster.timings.heartbeat);
    expect(cluster.server('c').reports).toEqual([{ kind: 'otherStore', peer: 'c' }]);
    expect(kinds(cluster, 'b')).toEqual([]);
  });

  it('a server with a lost disk does not campaign', () => {
    const cluster = founded('a', 'b', 'c');
    cluster.wipe('c');
    cluster.bootstrapAgain('c');
    cluster.elapse(4 * cluster.timings.heartbeat);
    for (const id of ['a', 'b']) cluster.crash(id);
    const { term } = cluster.raft('c').ballot;
    cluster.elapse(20 * cluster.timings.election);
    expect([cluster.raft('c').role, cluster.raft('c').ballot.term]).toEqual(['follower', term]);
  });

  it('a server that is demoted and promoted again counts with its new disk', () => {
    const cluster = founded('a', 'b', 'c');
    cluster.wipe('c');
    cluster.start('c');
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(kinds(cluster, 'a')).toContain('blankVoter');
    for (const kind of ['demote', 'promote'] as const) {
      cluster.feed('a', (raft) => expect(raft.changeMembership([{ kind, id: 'c' }])).not.toHaveProperty('refused'));
      cluster.elapse(6 * cluster.timings.heartbeat);
    }
    expect(stores(cluster, 'a')).toEqual(actual(cluster, 'a', 'b', 'c'));
    cluster.crash('b');
    const at = cluster.propose('a', 'X') as { index: number };
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(at.index);
  });

  it('a voter elects the right leader even if its log names another disk for it', () => {
    const cluster = founded('a', 'b', 'c');
    // Server `b` receives an entry that records a wrong store for `c`. The entry is never
    // committed.
    const { log, ballot } = cluster.raft('b');
    const membership = log.membership as NonNullable<typeof log.membership>;
    const wrong = new Map(membership.servers).set('c', { ...addressOf('c'), store: 999 });
    const entry = { kind: 'membership', index: log.lastIndex + 1, term: ballot.term, membership } as const;
    const { disk } = cluster.server('b');
    cluster.crash('b');
    disk.entries.push({ ...entry, membership: { ...membership, servers: wrong } });
    for (const id of ['a', 'c']) {
      const { disk: other } = cluster.server(id);
      other.entries.push({ kind: 'noop', index: entry.index, term: entry.term + 1 });
      other.ballot = { term: entry.term + 1, votedFor: undefined };
      cluster.start(id);
    }
    cluster.crash('a');
    cluster.start('b');
    cluster.campaign('c');
    cluster.settle();
    expect(cluster.leaders).toEqual(['c']);
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(stores(cluster, 'b')).toEqual(actual(cluster, 'a', 'b', 'c'));
  });
});

describe('a cluster that records its stores late', () => {
  it('a leader does not record the blank disk of a voter', () => {
    const membership = membershipOf(['a', 'b', 'c'].map((id) => [id, addressOf(id)]));
    const cluster = new Scenario(['a', 'b', 'c'], { membership, stores: true });
    cluster.isolate('c');
    cluster.elect('a');
    cluster.elapse(2 * cluster.timings.heartbeat);
    const [a, b] = ['a', 'b'].map((id) => cluster.server(id).disk.life?.id);
    expect(stores(cluster, 'a')).toEqual({ a, b });
    cluster.wipe('c');
    cluster.start('c');
    cluster.heal();
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(kinds(cluster, 'a')).toContain('blankVoter');
    expect(stores(cluster, 'a')).toEqual({ a, b });
  });

  it('a leader records the new disk of a voter that was isolated', () => {
    const membership = membershipOf(['a', 'b', 'c'].map((id) => [id, addressOf(id)]));
    const cluster = new Scenario(['a', 'b', 'c'], { membership, stores: true });
    cluster.isolate('c');
    cluster.elect('a');
    cluster.elapse(2 * cluster.timings.heartbeat);
    cluster.heal();
    cluster.elapse(20 * cluster.timings.election);
    const [leader] = cluster.leaders as [string];
    expect(stores(cluster, leader)).toEqual(actual(cluster, 'a', 'b', 'c'));
  });
});

describe('new servers', () => {
  it('the entry that promotes a learner names its disk', () => {
    const cluster = new Scenario(['a', 'b'], {
      membership: membershipOf([['a', addressOf('a')]]),
      stores: true,
    });
    cluster.elect('a');
    const learner = { kind: 'addLearner', id: 'b', ...addressOf('b') } as const;
    for (const step of [learner, { kind: 'promote', id: 'b' } as const]) {
      cluster.feed('a', (raft) => expect(raft.changeMembership([step])).not.toHaveProperty('refused'));
      if (step.kind === 'promote') break;
      cluster.elapse(4 * cluster.timings.heartbeat);
      expect(stores(cluster, 'a').b).toBeUndefined();
    }
    expect(stores(cluster, 'a')).toEqual(actual(cluster, 'a', 'b'));
  });
});

describe('learners', () => {
  it('a late heartbeat for a replaced disk does not stop a learner', () => {
    const cluster = new Scenario(['a', 'b'], {
      membership: membershipOf([['a', addressOf('a')]]),
      stores: true,
      limits: { messageBytes: 1 },
    });
    cluster.elect('a');
    cluster.feed('a', (raft) => raft.changeMembership([{ kind: 'addLearner', id: 'b', ...addressOf('b') }]));
    for (let i = 0; i < 5; i += 1) cluster.propose('a', `${i}`);
    cluster.elapse(4 * cluster.timings.heartbeat);
    const { lastIndex } = cluster.raft('b').log;
    cluster.skip(cluster.timings.heartbeat);
    cluster.tick('a');
    const late = cluster.hold({ to: 'b', kind: 'heartbeat' });
    expect(late.map(({ message }) => 'committed' in message && message.committed)).toEqual([lastIndex]);
    cluster.wipe('b');
    cluster.start('b');
    cluster.skip(cluster.timings.heartbeat);
    cluster.tick('a');
    cluster.settle(
      ({ to, message }) =>
        to === 'b' && message.kind === 'append' && message.prevIndex > 1 && message.entries.length > 0,
    );
    expect(cluster.raft('b').log.lastIndex).toBe(2);
    cluster.release(late);
    cluster.deliver({ to: 'b', kind: 'heartbeat' });
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.raft('b').log.committed).toBe(lastIndex);
  });
});

describe('copies of a disk', () => {
  it('messages from a server on an earlier copy of its disk are dropped and reported', () => {
    const cluster = founded('a', 'b', 'c');
    const { disk } = cluster.server('c');
    const copy = { entries: [...disk.entries], life: disk.life, ballot: disk.ballot };
    cluster.start('c');
    cluster.start('c');
    cluster.elapse(20 * cluster.timings.election);
    cluster.crash('c');
    Object.assign(disk, copy);
    cluster.start('c');
    const { index } = cluster.propose('a', 'X') as { index: number };
    cluster.elapse(cluster.timings.election);
    expect(kinds(cluster, 'a')).toContain('restoredCopy');
    expect(cluster.raft('a').peers?.get('c')?.match).toBeLessThan(index);
  });

  it('the second of two servers on clones of one disk is reported, and its messages are dropped', () => {
    const cluster = founded('a', 'b', 'c');
    const { store, starts } = cluster.raft('c').header;
    const reply = {
      kind: 'preVoteReply',
      term: 2,
      incarnation: 77,
      store,
      starts,
      granted: false,
      candidacy: 9,
    } as const;
    cluster.forge('c', 'a', { ...reply, to: cluster.raft('a').header.incarnation });
    expect(kinds(cluster, 'a')).toContain('clonedStore');
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(cluster.leaders).toEqual(['a']);
  });

  it('delayed messages from an earlier start of a server are dropped without a report', () => {
    const cluster = founded('a', 'b', 'c');
    cluster.propose('a', 'X');
    cluster.settle({ from: 'c' });
    const late = cluster.hold({ from: 'c' });
    cluster.start('c');
    cluster.elapse(2 * cluster.timings.heartbeat);
    cluster.release(late);
    cluster.elapse(cluster.timings.heartbeat);
    expect(late.length).toBeGreaterThan(0);
    expect(kinds(cluster, 'a')).not.toContain('restoredCopy');
  });
});
