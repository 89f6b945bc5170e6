// Shows that crashes and rival candidates never cause two leaders in one term. Servers crash
// between individual messages and disk writes.
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

/** Returns the receiver and the term of each vote that a server granted. */
const granted = (cluster: Scenario, from: string): unknown[] =>
  cluster.sent.flatMap(({ from: voter, to, message: m }) =>
    voter === from && m.kind === 'voteReply' && m.granted ? [[to, m.term]] : [],
  );

/**
 * Returns a scenario in which `a` and `b` campaign in term 2. Their vote requests to `c` are in
 * flight.
 */
function rivals(): Scenario {
  const cluster = new Scenario(['a', 'b', 'c']);
  cluster.campaign('a');
  cluster.campaign('b');
  cluster.settle({ kind: 'vote' });
  expect(['a', 'b'].map((id) => cluster.raft(id).role)).toEqual(['candidate', 'candidate']);
  cluster.drop({ to: 'a' });
  cluster.drop({ to: 'b' });
  return cluster;
}

describe('votes and crashes', () => {
  it('a voter that crashes after its reply votes for no other server (bugs.md#1)', () => {
    const cluster = rivals();
    cluster.deliver({ from: 'a', to: 'c' });
    cluster.writeAll('c');
    const reply = cluster.hold({ kind: 'voteReply' });
    expect(reply).toHaveLength(1);
    cluster.crash('c');
    cluster.start('c');
    cluster.settle();
    cluster.release(reply);
    cluster.settle();
    expect(granted(cluster, 'c')).toEqual([['a', 2]]);
    expect(cluster.leaders).toEqual(['a']);
  });

  it('a voter that crashes before syncing its vote can vote for a rival (bugs.md#1)', () => {
    const cluster = rivals();
    cluster.deliver({ from: 'a', to: 'c' });
    cluster.crash('c');
    cluster.start('c');
    expect(cluster.raft('c').ballot.term).toBe(1);
    cluster.settle();
    expect(granted(cluster, 'c')).toEqual([['b', 2]]);
    expect(cluster.leaders).toEqual(['b']);
  });

  it('a voter keeps a synced vote even if it crashes before replying (bugs.md#1)', () => {
    const cluster = rivals();
    cluster.deliver({ from: 'a', to: 'c' });
    cluster.crash('c', 1);
    cluster.start('c');
    expect(cluster.raft('c').ballot).toEqual({ term: 2, votedFor: 'a' });
    cluster.settle();
    expect(granted(cluster, 'c')).toEqual([]);
    expect(cluster.leaders).toEqual([]);
    cluster.elapseUntil(() => cluster.leaders.length === 1);
  });

  it('a restarted candidate ignores votes for its earlier incarnation (bugs.md#5)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.campaign('a');
    cluster.settle({ kind: 'voteReply' });
    expect(cluster.raft('a').role).toBe('candidate');
    cluster.crash('a');
    cluster.start('a');
    expect(cluster.raft('a').ballot).toEqual({ term: 2, votedFor: 'a' });
    cluster.settle();
    expect(cluster.leaders).toEqual([]);
    cluster.elect('a');
    expect(cluster.raft('a').ballot.term).toBe(3);
  });

  it('a leader elected again after a crash leads in a new term', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a', { kind: 'append' });
    expect(cluster.raft('a').ballot.term).toBe(2);
    cluster.deliver({ kind: 'append', to: 'b' });
    cluster.crash('a');
    cluster.drop();
    cluster.start('a');
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('a');
    expect(cluster.raft('a').ballot.term).toBe(3);
    for (const id of ['a', 'b', 'c']) expect(cluster.terms(id)).toEqual([1, 2, 3]);
  });

  it('a leader that loses a committed entry in a crash cannot win (bugs.md#48)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.stall('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    cluster.crash('a');
    cluster.unstall('a');
    cluster.start('a');
    cluster.skip(2 * cluster.timings.election);
    expect(() => cluster.elect('a')).toThrow('not elected');
    cluster.elapseUntil(() => cluster.leaders.length === 1);
    cluster.elapse(cluster.timings.election);
    expect(cluster.terms('a').slice(0, 3)).toEqual([1, 2, 2]);
  });

  it('a split vote elects no leader, and a later election succeeds', () => {
    const ids = ['a', 'b', 'c', 'd'];
    const cluster = new Scenario(ids);
    cluster.campaign('a');
    cluster.campaign('b');
    cluster.settle({ kind: 'vote' });
    cluster.deliver({ from: 'a', to: 'c' });
    cluster.deliver({ from: 'b', to: 'd' });
    cluster.settle();
    expect(cluster.leaders).toEqual([]);
    expect(ids.map((id) => cluster.raft(id).ballot)).toEqual(
      ['a', 'b', 'a', 'b'].map((votedFor) => ({ term: 2, votedFor })),
    );
    cluster.elapseUntil(() => cluster.leaders.length === 1);
  });

  it('in a cluster of two servers, neither leads without the other', () => {
    for (const lost of ['a', 'b']) {
      const cluster = new Scenario(['a', 'b']);
      cluster.elect('a');
      cluster.propose('a', 'x');
      cluster.elapse(cluster.timings.election);
      cluster.crash(lost);
      cluster.elapse(10 * cluster.timings.election);
      expect(cluster.leaders).toEqual([]);
      cluster.start(lost);
      cluster.elapseUntil(() => cluster.leaders.length === 1);
      cluster.elapse(cluster.timings.election);
      expect(cluster.terms('a')).toEqual(cluster.terms('b'));
      expect(cluster.server('b').applied).toHaveLength(4);
    }
  });

  it('a candidate that lacks committed entries only raises the term (bugs.md#8)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('c');
    cluster.propose('a', 'x');
    cluster.settle();
    for (let i = 0; i < 5; i += 1) cluster.makeCandidate('c');
    cluster.writeAll('c');
    cluster.crash('a');
    cluster.drop();
    cluster.heal();
    cluster.elapseUntil(() => cluster.leaders.length === 1);
    expect(cluster.leaders).toEqual(['b']);
    expect(cluster.raft('b').ballot.term).toBeGreaterThan(6);
  });

  it('a leader resumed after SIGSTOP steps down if another leader was elected', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.propose('a', 'x');
    cluster.pause('a');
    cluster.elapseUntil(() => cluster.leaders.some((id) => id !== 'a'));
    const other = cluster.leaders.find((id) => id !== 'a') as string;
    cluster.propose(other, 'y');
    cluster.elapse(5 * cluster.timings.election);
    expect(cluster.raft('a').role).toBe('leader'); // Server a does not know the new term yet.
    cluster.resume('a');
    cluster.elapse(cluster.timings.heartbeat);
    expect(cluster.leaders).toEqual([other]);
    expect(cluster.terms('a')).toEqual(cluster.terms(other));
  });
});
