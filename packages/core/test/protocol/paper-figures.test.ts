import { Scenario, type Envelope } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

describe('the paper’s figures', () => {
  // Figure 7: the leader's log against six followers' that miss entries, have extra ones, or both.
  const leaderTerms = [1, 1, 4, 4, 5, 5, 6, 6, 6];
  const followers = {
    a: [1, 1, 4, 4, 5, 5, 6, 6],
    b: [1, 1, 4],
    c: [1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    d: [1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    e: [1, 1, 4, 4, 4, 4],
    f: [1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  };

  it.each(Object.entries(followers))('Figure 7 (%s): the follower ends with the leader’s log', (_name, follower) => {
    const cluster = new Scenario(['l', 'x', 'y']);
    cluster.startWith('l', leaderTerms, 7);
    cluster.startWith('x', follower);
    cluster.startWith('y', [1]);
    // x may be the more up to date one: then y's vote decides.
    cluster.elect('l');
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.terms('x')).toEqual([1, ...leaderTerms, 8]);
    expect(cluster.terms('y')).toEqual([1, ...leaderTerms, 8]);
  });

  it('Figure 7, as it is drawn: all six at once; a, b, e and f elect the leader, which brings c and d to its log too', () => {
    const cluster = new Scenario(['l', ...Object.keys(followers)], { limits: { messageBytes: 1 } });
    cluster.startWith('l', leaderTerms, 7);
    for (const [id, terms] of Object.entries(followers)) cluster.startWith(id, terms);
    cluster.elect('l');
    cluster.elapse(3 * cluster.timings.heartbeat);
    for (const id of cluster.servers.keys()) expect(cluster.terms(id)).toEqual([1, ...leaderTerms, 8]);
    expect(cluster.raft('l').log.committed).toBe(11);
    for (const id of ['c', 'd']) {
      const voted = cluster.sent.filter(({ from, message: m }) => from === id && m.kind === 'voteReply');
      expect(voted.every(({ message }) => message.kind === 'voteReply' && !message.granted)).toBe(true);
    }
  });

  /** Figure 8 up to (c): S1 leads term 4 and has brought its entry of term 2 to S3 and S4, and its noop to nobody. */
  function untilC(): Scenario {
    const cluster = new Scenario(['s1', 's2', 's3', 's4', 's5'], { limits: { messageBytes: 1 } });
    const appends = { kind: 'append' } as const;
    // (a): S1 leads term 2, and its first entry reaches S2 only.
    cluster.elect('s1', appends);
    cluster.deliver({ kind: 'append', to: 's2' });
    cluster.writeAll('s2');
    cluster.crash('s1');
    cluster.drop();
    // (b): S5 leads term 3 by the votes of S3 and S4, and has another entry at the same place.
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('s5', appends);
    expect(cluster.raft('s5').ballot.term).toBe(3);
    cluster.crash('s5');
    cluster.drop();
    // (c)
    cluster.start('s1');
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('s1', (flight) => bringsTermFour(cluster, flight));
    expect(cluster.raft('s1').ballot.term).toBe(4);
    for (const id of ['s1', 's2', 's3', 's4']) expect(cluster.terms(id).slice(0, 2)).toEqual([1, 2]); // On a majority, and known to be ...
    expect(['s3', 's4'].map((id) => cluster.raft('s1').peers?.get(id)?.match)).toEqual([2, 2]);
    expect(cluster.raft('s1').log.committed).toBe(1); // ... and not committed by that.
    return cluster;
  }

  /** An append that would put an entry of term 4 into the receiver's log. */
  function bringsTermFour(cluster: Scenario, { to, message }: Envelope): boolean {
    if (message.kind !== 'append' || message.entries.every(({ term }) => term < 4)) return false;
    return cluster.raft(to).log.termAt(message.prevIndex) === message.prevTerm;
  }

  it('Figure 8 (d): an entry of an earlier term on a majority is not committed by counting, and may be replaced (row 26)', () => {
    const cluster = untilC();
    cluster.crash('s1');
    cluster.drop();
    cluster.start('s5');
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('s5');
    expect(cluster.raft('s5').ballot.term).toBe(5);
    cluster.start('s1');
    cluster.elapse(3 * cluster.timings.heartbeat);
    for (const id of cluster.servers.keys()) expect(cluster.terms(id)).toEqual([1, 3, 5]);
  });

  it('Figure 8 (e): behind an entry of the leader’s own term on a majority it is committed, and S5 cannot win any more', () => {
    const cluster = untilC();
    cluster.settle({ kind: 'append', to: 's4' });
    expect(cluster.raft('s1').log.committed).toBe(3);
    cluster.crash('s1');
    cluster.drop();
    cluster.start('s5');
    cluster.skip(2 * cluster.timings.election);
    expect(() => cluster.elect('s5')).toThrow('not elected');
    cluster.elapseUntil(() => cluster.leaders.length === 1);
    cluster.elapse(cluster.timings.election);
    for (const id of ['s2', 's3', 's4', 's5']) expect(cluster.terms(id).slice(0, 3)).toEqual([1, 2, 4]);
  });
});
