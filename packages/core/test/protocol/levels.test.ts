// Shows when the feature level may be raised, and how a server that cannot read its leader's log
// behaves. In these scenarios, the servers have versions that read different levels.
import { membershipOf } from '@kontiki/core';
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';
import type { MembershipStep } from '../../src/log/membership-change.js';

const add = (id: string): MembershipStep => ({ kind: 'addLearner', id, address: `memory:${id}`, metadata: '' });

/**
 * Returns a scenario in which server `a` leads servers `a`, `b` and `c` at `level`, and server `d`
 * is blank.
 */
function led(levels: Readonly<Record<string, number>>, level = 1): Scenario {
  const voters = ['a', 'b', 'c'].map((id) => [id, { address: `memory:${id}`, metadata: '' }] as const);
  const cluster = new Scenario(['a', 'b', 'c', 'd'], { membership: membershipOf(voters, [], level), levels });
  cluster.elect('a');
  cluster.settle();
  cluster.elapse(cluster.timings.heartbeat);
  return cluster;
}

/** Raises the level on a server. If the server refuses, returns the reason with its detail. */
function raise(cluster: Scenario, id: string, expected?: number): string | undefined {
  const result = cluster.feed(id, (raft) => raft.raiseLevel({ expected }));
  return 'refused' in result ? `${result.refused} ${result.detail}`.trim() : undefined;
}

function change(cluster: Scenario, id: string, ...steps: MembershipStep[]): string | undefined {
  const result = cluster.feed(id, (raft) => raft.changeMembership(steps));
  return 'refused' in result ? `${result.refused} ${result.detail}`.trim() : undefined;
}

function level(cluster: Scenario, id: string): number | undefined {
  return cluster.raft(id).log.membership?.level;
}

function reports(cluster: Scenario, id: string, kind: string): unknown[] {
  return cluster.server(id).reports.filter((report) => report.kind === kind);
}

/**
 * Returns a scenario at level 2. Server `c` was rolled back to level 1 before it received the entry
 * that raises the level.
 */
function withRolledBack(): Scenario {
  const cluster = led({ a: 2, b: 2, c: 2 });
  cluster.partition(['a', 'b']);
  expect(raise(cluster, 'a')).toBeUndefined();
  cluster.settle();
  cluster.start('c', 1);
  cluster.heal();
  return cluster;
}

describe('raiseLevel', () => {
  it('raiseLevel raises to the highest level that every member reads', () => {
    const cluster = led({ a: 4, b: 3, c: 2 });
    expect(raise(cluster, 'a')).toBeUndefined();
    cluster.settle();
    cluster.elapse(2 * cluster.timings.heartbeat);
    for (const id of ['a', 'b', 'c']) expect(level(cluster, id)).toBe(2);
    expect(cluster.raft('a').log.membership).toMatchObject({ revision: 1, voters: ['a', 'b', 'c'] });
    expect(cluster.raft('a').log.committed).toBe(cluster.raft('a').log.lastIndex);
  });

  it('a cluster of level 0 changes its members once its level is raised', () => {
    const cluster = led({}, 0);
    expect(change(cluster, 'a', add('d'))).toBe('level');
    expect(raise(cluster, 'a')).toBeUndefined();
    cluster.settle();
    expect(change(cluster, 'a', add('d'))).toBeUndefined();
  });

  it('raiseLevel is refused while a member does not answer', () => {
    const cluster = led({ a: 2, b: 2, c: 2 });
    cluster.crash('c');
    cluster.elapse(2 * cluster.timings.election);
    expect(raise(cluster, 'a')).toBe('silent c');
    cluster.start('c');
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(raise(cluster, 'a')).toBeUndefined();
  });

  it('raiseLevel is refused until every member has answered the current leader', () => {
    const cluster = led({ a: 2, b: 2, c: 2 });
    cluster.feed('a', (raft) => raft.transfer('b'));
    cluster.settle();
    expect(cluster.raft('b').log.committed).toBe(cluster.raft('b').log.lastIndex);
    expect(raise(cluster, 'b')).toBe('silent a, c');
  });

  it('raiseLevel is refused if a learner reads only the current level', () => {
    const cluster = led({ a: 2, b: 2, c: 2, d: 1 });
    expect(change(cluster, 'a', add('d'))).toBeUndefined();
    cluster.settle();
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(raise(cluster, 'a')).toBe('unequal d');
  });

  it('a server that was rolled back and restarted counts with its old level', () => {
    const cluster = led({ a: 2, b: 2, c: 2 });
    cluster.start('c', 1);
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(raise(cluster, 'a')).toBe('unequal c');
  });

  it('a server that does not announce its level counts as level 0', () => {
    const cluster = led({ a: 1, b: 1, c: 0 }, 0);
    const replies = cluster.sent.filter(({ from, message }) => from === 'c' && message.kind === 'heartbeatReply');
    expect(replies.length).toBeGreaterThan(0);
    expect(raise(cluster, 'a')).toBe('unequal c');
  });

  it('raiseLevel is refused on followers and during another change', () => {
    const cluster = led({ a: 2, b: 2, c: 2 });
    expect(raise(cluster, 'b')).toBe('notLeader');
    expect(raise(cluster, 'a', 7)).toBe('revision 0, not 7');
    expect(change(cluster, 'a', add('d'))).toBeUndefined();
    expect(raise(cluster, 'a')).toBe('changing');
  });

  it('raiseLevel is refused at the highest level that the leader reads', () => {
    expect(raise(led({ a: 1, b: 2, c: 2 }), 'a')).toBe('highest 1');
  });

  it('an uncommitted level is reverted when its entry is truncated', () => {
    const cluster = led({ a: 2, b: 2, c: 2 });
    cluster.isolate('a');
    expect(raise(cluster, 'a')).toBeUndefined();
    expect(level(cluster, 'a')).toBe(2);
    cluster.elapse(10 * cluster.timings.election);
    cluster.heal();
    cluster.elapse(10 * cluster.timings.election);
    expect(level(cluster, 'a')).toBe(1);
  });

  it('later membership changes keep the level', () => {
    const cluster = led({ a: 2, b: 2, c: 2, d: 2 });
    expect(raise(cluster, 'a')).toBeUndefined();
    cluster.settle();
    expect(change(cluster, 'a', add('d'))).toBeUndefined();
    cluster.settle();
    expect(change(cluster, 'a', { kind: 'remove', id: 'b' }, { kind: 'remove', id: 'c' })).toBeUndefined();
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.raft('a').log.membership).toMatchObject({ level: 2, voters: ['a'], learners: ['d'] });
  });
});

describe('servers that cannot read the level', () => {
  it('a learner that cannot read the level in force is not promoted', () => {
    const cluster = led({ a: 2, b: 2, c: 2, d: 1 });
    expect(raise(cluster, 'a')).toBeUndefined();
    cluster.settle();
    expect(change(cluster, 'a', add('d'))).toBeUndefined();
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(change(cluster, 'a', { kind: 'promote', id: 'd' })).toBe('unable d');
    cluster.start('d', 2);
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(change(cluster, 'a', { kind: 'promote', id: 'd' })).toBeUndefined();
  });

  it('a learner is not promoted before it has announced its level', () => {
    const cluster = led({ a: 2, b: 2, c: 2, d: 2 });
    expect(change(cluster, 'a', add('d'))).toBeUndefined();
    cluster.settle();
    expect(cluster.raft('a').peers?.get('d')).toMatchObject({ match: 3, level: undefined });
    expect(change(cluster, 'a', { kind: 'promote', id: 'd' })).toBe('lagging d');
  });

  it('a voter that cannot read the log appends nothing, stays silent and reports it once', () => {
    const cluster = withRolledBack();
    const { length } = cluster.terms('c');
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.raft('c').unreadable).toMatchObject({ index: length + 1 });
    cluster.crash('a');
    cluster.crash('b');
    const sent = cluster.sent.length;
    cluster.elapse(20 * cluster.timings.election);
    expect(cluster.sent.slice(sent).filter(({ from }) => from === 'c')).toEqual([]);
    expect(cluster.terms('c')).toHaveLength(length);
    expect(reports(cluster, 'c', 'unreadable')).toHaveLength(1);
  });

  it('a voter that cannot read the log ignores a transfer of leadership to it', () => {
    const cluster = withRolledBack();
    cluster.elapse(4 * cluster.timings.heartbeat);
    const { term } = cluster.raft('a').ballot;
    const [{ incarnation }, { incarnation: to }] = [cluster.server('a'), cluster.server('c')];
    cluster.forge('a', 'c', { kind: 'timeoutNow', term, incarnation, to });
    expect(cluster.raft('c').role).toBe('follower');
  });

  it('a voter that cannot read the log still votes', () => {
    const cluster = withRolledBack();
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.raft('c').unreadable).toBeDefined();
    cluster.crash('a');
    cluster.elapse(10 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['b']);
    expect(cluster.raft('c').ballot.votedFor).toBe('b');
  });

  it('an upgraded voter reads the rest of the log and campaigns again', () => {
    const cluster = withRolledBack();
    cluster.elapse(4 * cluster.timings.heartbeat);
    cluster.start('c', 2);
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.raft('c').unreadable).toBeUndefined();
    expect(level(cluster, 'c')).toBe(2);
    cluster.feed('a', (raft) => raft.transfer('c'));
    cluster.settle();
    expect(cluster.leaders).toEqual(['c']);
  });

  it('a voter takes part again when a new leader replaces the unreadable entries', () => {
    const cluster = led({ a: 2, b: 2, c: 2 });
    cluster.start('c', 1);
    cluster.elapse(cluster.timings.heartbeat);
    cluster.start('c', 1);
    const raised = cluster.raft('a').log;
    const { incarnation } = cluster.server('a');
    const { term } = cluster.raft('a').ballot;
    cluster.forge('a', 'c', {
      kind: 'append',
      term,
      incarnation,
      stream: 1,
      prevIndex: raised.lastIndex,
      prevTerm: raised.last.term,
      committed: 0,
      entries: [
        { kind: 'membership', index: raised.lastIndex + 1, term, membership: { ...membershipOf([]), level: 2 } },
      ],
    });
    expect(cluster.raft('c').unreadable).toMatchObject({ index: raised.lastIndex + 1 });
    cluster.crash('a');
    cluster.elapse(10 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['b']);
    cluster.propose('b', 'x');
    cluster.settle();
    expect(cluster.raft('c').unreadable).toBeUndefined();
    expect(cluster.terms('c')).toEqual(cluster.terms('b'));
  });

  it('a leader sends no entries to a server that cannot read them, and reports it once', () => {
    const cluster = withRolledBack();
    cluster.elapse(4 * cluster.timings.heartbeat);
    const before = cluster.sent.length;
    for (const text of ['x', 'y', 'z']) cluster.propose('a', text);
    cluster.elapse(10 * cluster.timings.heartbeat);
    const appends = cluster.sent.slice(before).filter(({ to, message }) => to === 'c' && message.kind === 'append');
    expect(appends).toEqual([]);
    expect(reports(cluster, 'a', 'lowLevel')).toEqual([{ kind: 'lowLevel', peer: 'c', level: 1, needed: 2 }]);
  });
});
