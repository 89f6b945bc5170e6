import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const granted = (cluster: Scenario, from: string): unknown[] =>
  cluster.sent.flatMap(({ from: voter, to, message: m }) =>
    voter === from && m.kind === 'voteReply' && m.granted ? [[to, m.term]] : [],
  );

/** a and b both campaign in term 2; their requests to each other and to c are under way. */
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
  it('a voter that answers, dies and is back at once gives its rival nothing: one leader in the term (row 1)', () => {
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

  it('a vote that was not synced was not given: its voter may give it to another one (row 1)', () => {
    const cluster = rivals();
    cluster.deliver({ from: 'a', to: 'c' });
    cluster.crash('c');
    cluster.start('c');
    expect(cluster.raft('c').ballot.term).toBe(1);
    cluster.settle();
    expect(granted(cluster, 'c')).toEqual([['b', 2]]);
    expect(cluster.leaders).toEqual(['b']);
  });

  it('a vote that was synced and never told binds its voter all the same (row 1)', () => {
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

  it('a candidate that restarts in its term is not elected by answers to its earlier life: it never leads a term twice (row 5)', () => {
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

  it('one candidate, elected, killed and elected again: in two terms, and its entries of the first are kept or gone everywhere', () => {
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

  it('a leader that had not written what the others committed cannot win again without it (row 48)', () => {
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

  it('a split vote elects nobody, and the next round, at other times, does', () => {
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

  it('two servers: neither leads without the other, whichever is lost, and both are one again (rule 19)', () => {
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

  it('a candidate in the highest term that misses committed entries only lends its term to one that has them (rows 8, 14)', () => {
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

  it('a leader that stood still while another was elected steps down when it wakes, whatever it had still to say (SIGSTOP)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.propose('a', 'x');
    cluster.pause('a');
    cluster.elapseUntil(() => cluster.leaders.some((id) => id !== 'a'));
    const other = cluster.leaders.find((id) => id !== 'a') as string;
    cluster.propose(other, 'y');
    cluster.elapse(5 * cluster.timings.election);
    expect(cluster.raft('a').role).toBe('leader'); // As it thinks.
    cluster.resume('a');
    cluster.elapse(cluster.timings.heartbeat);
    expect(cluster.leaders).toEqual([other]);
    expect(cluster.terms('a')).toEqual(cluster.terms(other));
  });
});
