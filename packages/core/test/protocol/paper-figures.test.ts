import { Scenario, type Envelope } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

describe('figures of the Raft paper', () => {
  // Figure 7: the terms in the leader's log. The logs of the six followers lack entries, have extra
  // entries, or both.
  const leaderTerms = [1, 1, 4, 4, 5, 5, 6, 6, 6];
  const followers = {
    a: [1, 1, 4, 4, 5, 5, 6, 6],
    b: [1, 1, 4],
    c: [1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    d: [1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    e: [1, 1, 4, 4, 4, 4],
    f: [1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  };

  it.each(Object.entries(followers))("follower %s of Figure 7 ends with the leader's log", (_name, follower) => {
    const cluster = new Scenario(['l', 'x', 'y']);
    cluster.startWith('l', leaderTerms, 7);
    cluster.startWith('x', follower);
    cluster.startWith('y', [1]);
    // If server `x`'s log is more up to date than the leader's, the vote of server `y` elects `l`.
    cluster.elect('l');
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.terms('x')).toEqual([1, ...leaderTerms, 8]);
    expect(cluster.terms('y')).toEqual([1, ...leaderTerms, 8]);
  });

  it('the leader of Figure 7 repairs the logs of all six followers in parallel', () => {
    const cluster = new Scenario(['l', ...Object.keys(followers)], { limits: { messageBytes: 1 } });
    cluster.startWith('l', leaderTerms, 7);
    for (const [id, terms] of Object.entries(followers)) cluster.startWith(id, terms);
    // Server `l` wins with the votes of `a`, `b`, `e` and `f`. The logs of `c` and `d` are more up
    // to date than its own.
    cluster.elect('l');
    cluster.elapse(3 * cluster.timings.heartbeat);
    for (const id of cluster.servers.keys()) expect(cluster.terms(id)).toEqual([1, ...leaderTerms, 8]);
    expect(cluster.raft('l').log.committed).toBe(11);
    for (const id of ['c', 'd']) {
      const voted = cluster.sent.filter(({ from, message: m }) => from === id && m.kind === 'voteReply');
      expect(voted.every(({ message }) => message.kind === 'voteReply' && !message.granted)).toBe(true);
    }
  });

  /**
   * Returns a scenario at step (c) of Figure 8. S1 leads term 4. It has replicated its entry of
   * term 2 to S3 and S4, but has not replicated its no-op of term 4 to any server.
   */
  function untilC(): Scenario {
    const cluster = new Scenario(['s1', 's2', 's3', 's4', 's5'], { limits: { messageBytes: 1 } });
    const appends = { kind: 'append' } as const;
    // (a): S1 leads term 2, and only S2 receives its first entry.
    cluster.elect('s1', appends);
    cluster.deliver({ kind: 'append', to: 's2' });
    cluster.writeAll('s2');
    cluster.crash('s1');
    cluster.drop();
    // (b): S5 leads term 3 with votes from S3 and S4, and appends another entry at the same index.
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('s5', appends);
    expect(cluster.raft('s5').ballot.term).toBe(3);
    cluster.crash('s5');
    cluster.drop();
    // (c): S1 leads again.
    cluster.start('s1');
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('s1', (flight) => appendsTermFour(cluster, flight));
    expect(cluster.raft('s1').ballot.term).toBe(4);
    // S1 knows that the entry is on a majority, but does not commit it yet.
    for (const id of ['s1', 's2', 's3', 's4']) expect(cluster.terms(id).slice(0, 2)).toEqual([1, 2]);
    expect(['s3', 's4'].map((id) => cluster.raft('s1').peers?.get(id)?.match)).toEqual([2, 2]);
    expect(cluster.raft('s1').log.committed).toBe(1);
    return cluster;
  }

  /**
   * Returns whether a message is an append that would add an entry of term 4 to the receiver's log.
   */
  function appendsTermFour(cluster: Scenario, { to, message }: Envelope): boolean {
    if (message.kind !== 'append' || message.entries.every(({ term }) => term < 4)) return false;
    return cluster.raft(to).log.termAt(message.prevIndex) === message.prevTerm;
  }

  it('Figure 8 (d): an old entry on a majority is not yet committed (bugs.md#26)', () => {
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

  it("Figure 8 (e): an entry of the leader's term commits the old entry before it", () => {
    const cluster = untilC();
    cluster.settle({ kind: 'append', to: 's4' });
    expect(cluster.raft('s1').log.committed).toBe(3);
    cluster.crash('s1');
    cluster.drop();
    cluster.start('s5');
    cluster.skip(2 * cluster.timings.election);
    expect(() => cluster.elect('s5')).toThrow('not elected'); // A majority has a later last term.
    cluster.elapseUntil(() => cluster.leaders.length === 1);
    cluster.elapse(cluster.timings.election);
    for (const id of ['s2', 's3', 's4', 's5']) expect(cluster.terms(id).slice(0, 3)).toEqual([1, 2, 4]);
  });
});
