// Shows how a leader transfers its leadership, and that late or repeated requests do not depose any
// leader.
import { membershipOf } from '@kontiki/core';
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

/**
 * Returns a scenario in which server `a` leads and all entries are replicated. Server `d` is a
 * learner.
 */
function led(): Scenario {
  const ids = ['a', 'b', 'c', 'd'];
  const membership = membershipOf(
    ids.map((id) => [id, { address: `memory:${id}`, metadata: '' }]),
    ['d'],
  );
  const cluster = new Scenario(ids, { membership });
  cluster.elect('a');
  cluster.propose('a', 'x');
  cluster.settle();
  cluster.elapse(cluster.timings.heartbeat);
  return cluster;
}

describe('leadership transfers', () => {
  it('the target of a transfer leads without waiting for an election timeout', () => {
    const cluster = led();
    const before = cluster.now;
    expect(cluster.feed('a', (raft) => raft.transfer('b'))).toBe(undefined);
    cluster.settle();
    expect(cluster.leaders).toEqual(['b']);
    expect(cluster.raft('b').ballot.term).toBe(3);
    expect(cluster.now).toBe(before);
  });

  it('a target first receives the rest of the log; meanwhile, commands are refused', () => {
    const cluster = led();
    cluster.propose('a', 'y');
    cluster.feed('a', (raft) => raft.transfer('b'));
    expect(cluster.propose('a', 'z')).toBe('transferring');
    expect(cluster.sent.some(({ message }) => message.kind === 'timeoutNow')).toBe(false);
    cluster.settle();
    expect(cluster.leaders).toEqual(['b']);
    expect(cluster.raft('b').log.committed).toBe(5);
  });

  it('a transfer without a target chooses the voter with the most entries', () => {
    const cluster = led();
    cluster.cut('a', 'b');
    cluster.propose('a', 'y');
    cluster.settle();
    expect(cluster.feed('a', (raft) => raft.transfer())).toBe(undefined);
    cluster.settle();
    expect(cluster.leaders).toEqual(['c']);
  });

  it('a transfer to a server that does not campaign ends after an election timeout', () => {
    const cluster = led();
    cluster.feed('a', (raft) => raft.transfer('b'));
    cluster.drop({ to: 'b' });
    cluster.crash('b');
    expect(cluster.propose('a', 'y')).toBe('transferring');
    cluster.elapse(1.2 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.propose('a', 'y')).toMatchObject({ term: 2 });
    expect(cluster.server('a').reports).toContainEqual({ kind: 'transferFailed', peer: 'b' });
  });

  it.each([
    ['a learner', 'd', 'notVoter'],
    ['a stranger', 'x', 'notVoter'],
    ['itself', 'a', 'notVoter'],
    ['a server that is away', 'c', 'away'],
  ])('a transfer to %s is refused', (_, target, reason) => {
    const cluster = led();
    cluster.crash('c');
    cluster.elapse(1.5 * cluster.timings.election);
    expect(cluster.feed('a', (raft) => raft.transfer(target))).toBe(reason);
  });

  it('a transfer to a server that has not answered this leader is refused', () => {
    const cluster = led();
    cluster.crash('a');
    cluster.elapseUntil(() => cluster.leaders.length > 0);
    const [leader] = cluster.leaders as [string];
    expect(cluster.feed(leader, (raft) => raft.transfer('a'))).toBe('away');
  });

  it('a transfer to another target is refused while a transfer is in progress', () => {
    const cluster = led();
    cluster.feed('a', (raft) => raft.transfer('b'));
    expect(cluster.feed('a', (raft) => raft.transfer('b'))).toBe(undefined);
    expect(cluster.feed('a', (raft) => raft.transfer('c'))).toBe('transferring');
    expect(cluster.feed('b', (raft) => raft.transfer('c'))).toBe('notLeader');
  });

  it('an announced address is written to the log only after a transfer has failed', () => {
    const cluster = led();
    cluster.feed('a', (raft) => raft.transfer('b'));
    const requests = cluster.hold({ kind: 'timeoutNow' });
    const { lastIndex } = cluster.raft('a').log;
    cluster.feed('a', (raft) => raft.setAnnounced(new Map([['d', { from: 'memory:d', to: 'memory:moved' }]])));
    const appends = ({ message }: { message: { kind: string } }): boolean => message.kind === 'append';
    const before = cluster.sent.filter(appends).length;
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(requests).toHaveLength(1);
    expect(cluster.sent.filter(appends)).toHaveLength(before);
    cluster.elapse(cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.raft('a').log.committed).toBe(lastIndex + 1);
    expect(cluster.raft('a').log.membership?.servers.get('d')?.address).toBe('memory:moved');
  });

  it('a late transfer request from an earlier term deposes no leader', () => {
    const cluster = led();
    cluster.feed('a', (raft) => raft.transfer('b'));
    const late = cluster.hold({ kind: 'timeoutNow' });
    expect(late).toHaveLength(1);
    cluster.crash('a');
    cluster.elapse(5 * cluster.timings.election);
    const [leader] = cluster.leaders as [string];
    const { term } = cluster.raft(leader).ballot;
    cluster.release(late);
    cluster.elapse(5 * cluster.timings.election);
    expect(cluster.leaders).toEqual([leader]);
    expect(cluster.raft(leader).ballot.term).toBe(term);
  });

  it('a transfer request sent to an earlier start of the target is ignored', () => {
    const cluster = led();
    cluster.feed('a', (raft) => raft.transfer('b'));
    const late = cluster.hold({ kind: 'timeoutNow' });
    cluster.crash('b');
    cluster.start('b');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.release(late);
    cluster.settle();
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.raft('b').ballot.term).toBe(2);
  });

  it('voters with a live leader grant a vote for a transfer only in the next term', () => {
    const cluster = led();
    const vote = { kind: 'vote', incarnation: 9, lastIndex: 9, lastTerm: 2, transfer: true } as const;
    cluster.forge('b', 'c', { ...vote, term: 4 });
    expect(cluster.raft('c').ballot.term).toBe(2);
    cluster.forge('b', 'c', { ...vote, term: 3 });
    expect(cluster.raft('c').ballot).toEqual({ term: 3, votedFor: 'b' });
  });

  it('the target of a lost transfer request must win pre-votes like any other server', () => {
    const cluster = led();
    cluster.feed('a', (raft) => raft.transfer('b'));
    cluster.deliver({ kind: 'timeoutNow' });
    cluster.writeAll('b');
    cluster.drop({ kind: 'vote' });
    expect(cluster.raft('b').role).toBe('candidate');
    cluster.isolate('b');
    cluster.elapse(3 * cluster.timings.election);
    expect(cluster.sent.filter(({ message }) => message.kind === 'vote' && message.transfer === true)).toHaveLength(2);
    expect(cluster.raft('b').ballot.term).toBe(3);
  });
});
