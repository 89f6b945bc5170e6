import { describe, expect, it } from 'vitest';
import { Scenario, type ScenarioServer } from '@kontiki/testing';

/** Returns whether each vote reply and pre-vote reply in flight from a server grants the vote. */
function votesInFlight(cluster: Scenario, server: ScenarioServer): string[] {
  return [...cluster.underWay]
    .filter(
      ({ from, message }) => from === server.id && (message.kind === 'voteReply' || message.kind === 'preVoteReply'),
    )
    .map(({ message }) => (message as { granted: boolean }).granted.toString());
}

describe('elections', () => {
  it.each([1, 2, 3, 4, 5, 7])('a cluster of %i servers elects one leader within ten election timeouts', (size) => {
    const cluster = new Scenario(['a', 'b', 'c', 'd', 'e', 'f', 'g'].slice(0, size), { seed: size });
    cluster.elapseUntil(() => cluster.leaders.length === 1, 10 * cluster.timings.election);
    cluster.elapse(10 * cluster.timings.election);
    expect(cluster.leaders).toHaveLength(1);
  });

  it('a single server elects itself after each start and commits after its own sync', () => {
    const cluster = new Scenario(['a']);
    cluster.elapse(2 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
    cluster.stall('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(2);
    cluster.unstall('a');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    cluster.crash('a');
    cluster.start('a');
    cluster.elapse(2 * cluster.timings.election);
    expect(cluster.raft('a').log.committed).toBe(4);
    expect(cluster.raft('a').ballot.term).toBe(3);
  });

  it('each election timeout is between timings.election and twice that value', () => {
    const cluster = new Scenario(['a', 'b']);
    cluster.isolate('a');
    const waits = new Set<number>();
    for (let i = 0; i < 50; i += 1) {
      const wait = cluster.raft('a').wakeAt - cluster.now;
      expect(wait).toBeGreaterThanOrEqual(cluster.timings.election);
      expect(wait).toBeLessThan(2 * cluster.timings.election);
      waits.add(wait);
      cluster.skip(wait);
      cluster.tick('a');
    }
    expect(waits.size).toBeGreaterThan(40);
  });

  it('a server keeps its vote across a restart (bugs.md#s1)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    const ask = (from: string): void =>
      cluster.forge(from, 'c', { kind: 'vote', term: 5, incarnation: 99, lastIndex: 1, lastTerm: 1 });
    ask('a');
    cluster.writeAll('c');
    expect(votesInFlight(cluster, cluster.server('c'))).toEqual(['true']);
    cluster.crash('c');
    cluster.start('c');
    expect(cluster.raft('c').ballot).toEqual({ term: 5, votedFor: 'a' });
    ask('b');
    cluster.writeAll('c');
    expect(votesInFlight(cluster, cluster.server('c'))).toEqual(['true', 'false']);
  });

  it('a pre-vote changes neither the term nor the vote of a server (bugs.md#3)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.forge('a', 'c', { kind: 'vote', term: 5, incarnation: 99, lastIndex: 1, lastTerm: 1 });
    cluster.writeAll('c');
    cluster.forge('b', 'c', { kind: 'preVote', term: 5, incarnation: 98, lastIndex: 1, lastTerm: 1 });
    cluster.campaign('c');
    expect(cluster.raft('c').role).toBe('preCandidate');
    cluster.forge('b', 'c', { kind: 'vote', term: 5, incarnation: 98, lastIndex: 1, lastTerm: 1 });
    cluster.writeAll('c');
    expect(cluster.raft('c').ballot).toEqual({ term: 5, votedFor: 'a' });
    expect(cluster.server('c').disk.ballot).toEqual({ term: 5, votedFor: 'a' });
  });

  it('a server sends no vote reply before the vote is durable (bugs.md#1)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.forge('a', 'c', { kind: 'vote', term: 5, incarnation: 99, lastIndex: 1, lastTerm: 1 });
    expect(votesInFlight(cluster, cluster.server('c'))).toEqual([]);
    cluster.crash('c');
    cluster.start('c');
    expect(cluster.raft('c').ballot.term).toBe(1);
  });

  // Raft §5.4.1: the last term decides, then the last index. bugs.md#7, bugs.md#8, bugs.md#s2
  it.each([
    { mine: [1, 1], index: 3, term: 1, granted: true },
    { mine: [1, 1], index: 2, term: 1, granted: false },
    { mine: [1, 1], index: 4, term: 1, granted: true },
    { mine: [2, 2], index: 9, term: 1, granted: false },
    { mine: [2, 2], index: 2, term: 3, granted: true },
    { mine: [2, 2], index: 2, term: 2, granted: false },
    { mine: [1, 3], index: 99, term: 2, granted: false },
  ])(
    'a server with log terms $mine votes for a log end at ($index, $term): $granted',
    ({ mine, index, term, granted }) => {
      const cluster = new Scenario(['a', 'b', 'c']);
      cluster.startWith('c', mine);
      cluster.forge('a', 'c', { kind: 'preVote', term: 8, incarnation: 9, lastIndex: index, lastTerm: term });
      expect(votesInFlight(cluster, cluster.server('c'))).toEqual([`${granted}`]);
      cluster.forge('a', 'c', { kind: 'vote', term: 9, incarnation: 9, lastIndex: index, lastTerm: term });
      cluster.writeAll('c');
      expect(votesInFlight(cluster, cluster.server('c'))).toEqual([`${granted}`, `${granted}`]);
    },
  );

  it('a server refuses a pre-vote from an earlier term and replies with its own term (bugs.md#14)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.startWith('c', [2], 7);
    for (const term of [6, 7])
      cluster.forge('a', 'c', { kind: 'preVote', term, incarnation: 9, lastIndex: 9, lastTerm: 6 });
    expect(cluster.underWay.map(({ message }) => message)).toMatchObject([
      { kind: 'preVoteReply', term: 7, candidacy: 7, granted: false },
      { kind: 'preVoteReply', term: 7, candidacy: 8, granted: true },
    ]);
    expect(cluster.raft('c').ballot).toEqual({ term: 7, votedFor: undefined });
  });

  it('a server with a live leader grants no vote and keeps its term (bugs.md#l7)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    const { term } = cluster.raft('b').ballot;
    cluster.forge('c', 'b', { kind: 'vote', term: 50, incarnation: 1, lastIndex: 99, lastTerm: 40 });
    cluster.forge('c', 'a', { kind: 'vote', term: 50, incarnation: 1, lastIndex: 99, lastTerm: 40 });
    cluster.forge('c', 'b', { kind: 'preVote', term: 50, incarnation: 1, lastIndex: 99, lastTerm: 40 });
    cluster.settle();
    expect(cluster.raft('b').ballot.term).toBe(term);
    expect(cluster.leaders).toEqual(['a']);
  });

  it('a server that heard from a leader ignores candidates for an election timeout (bugs.md#22)', () => {
    const cluster = new Scenario(['a', 'b', 'c'], { seed: 4 });
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.crash('a');
    cluster.drop();
    cluster.skip(cluster.timings.election);
    cluster.forge('c', 'b', { kind: 'vote', term: 9, incarnation: 1, lastIndex: 9, lastTerm: 9 });
    expect(cluster.raft('b').ballot).toEqual({ term: 9, votedFor: 'c' });
  });

  it('a server returning from a partition does not depose the leader (bugs.md#16)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('c');
    cluster.elapse(20 * cluster.timings.election);
    const { term } = cluster.raft('a').ballot;
    expect(cluster.raft('c').ballot.term).toBe(term);
    cluster.heal();
    cluster.elapse(5 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.raft('a').ballot.term).toBe(term);
  });

  it('a leader without a quorum steps down within two election timeouts (bugs.md#18)', () => {
    const cluster = new Scenario(['a', 'b', 'c', 'd', 'e']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    // Server `a` can send but not receive.
    for (const other of ['b', 'c', 'd', 'e']) cluster.cut(other, 'a');
    cluster.elapse(2 * cluster.timings.election);
    expect(cluster.raft('a').role).not.toBe('leader');
    cluster.elapseUntil(() => cluster.leaders.length === 1 && cluster.leaders[0] !== 'a');
  });

  it('a blank server neither votes nor campaigns, and its replies do not count', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.elapse(cluster.timings.election);
    cluster.wipe('c');
    cluster.start('c');
    cluster.elapse(5 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.server('a').reports).toContainEqual({ kind: 'blankVoter', peer: 'c' });
    expect(cluster.raft('c').log.lastIndex).toBe(0);
    // Without `b` there is no quorum, because replies from the blank server `c` do not count.
    cluster.isolate('b');
    const ticket = cluster.feed('a', (raft) => raft.read());
    cluster.elapse(10 * cluster.timings.election);
    expect(cluster.answer('a', ticket)).toBe(undefined);
    expect(cluster.leaders).toEqual([]);
    expect(cluster.raft('c').role).toBe('follower');
    cluster.forge('a', 'c', { kind: 'vote', term: 90, incarnation: 1, lastIndex: 99, lastTerm: 80 });
    cluster.writeAll('c');
    expect(cluster.raft('c').ballot.votedFor).toBe(undefined);
  });

  it("two groups that refuse each other's pre-votes elect a leader (bugs.md#15)", () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    const cluster = new Scenario(ids);
    // These logs are long and end in a low term.
    for (const id of ['a', 'b', 'c']) cluster.startWith(id, [2, 2, 2], 2);
    // These logs are short and end in a high term.
    for (const id of ['d', 'e', 'f']) cluster.startWith(id, [2], 9);
    cluster.elapseUntil(() => cluster.leaders.length === 1, 20 * cluster.timings.election);
    expect(['a', 'b', 'c']).toContain(cluster.leaders[0]);
  });

  it('a pre-vote reply from a voter in an older term counts (bugs.md#13)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.startWith('a', [1], 7);
    cluster.crash('c');
    // No time passes, so `b` sends no pre-vote and receives no refusal with the newer term.
    cluster.elect('a');
    expect(cluster.leaders).toEqual(['a']);
  });

  it('a candidate counts each voter of its current candidacy once (bugs.md#9)', () => {
    const cluster = new Scenario(['a', 'b', 'c', 'd', 'e']);
    for (const other of ['b', 'c', 'd', 'e']) cluster.crash(other);
    cluster.campaign('a');
    // Pre-vote replies are not votes, and duplicates count once. Replies to an earlier incarnation
    // or another candidacy are dropped. bugs.md#4
    const me = cluster.server('a').incarnation;
    const pre = { kind: 'preVoteReply', term: 1, incarnation: 50, to: me, candidacy: 2, granted: true } as const;
    cluster.forge('b', 'a', pre);
    cluster.forge('b', 'a', pre);
    cluster.forge('c', 'a', { ...pre, to: me + 1 });
    cluster.forge('c', 'a', { ...pre, candidacy: 3 });
    expect(cluster.raft('a').role).toBe('preCandidate');
    cluster.forge('c', 'a', pre);
    expect(cluster.raft('a').role).toBe('candidate');
    cluster.writeAll('a');
    cluster.forge('d', 'a', pre);
    cluster.forge('e', 'a', pre);
    const vote = { kind: 'voteReply', term: 2, incarnation: 50, to: me, granted: true } as const;
    cluster.forge('b', 'a', vote);
    cluster.forge('b', 'a', vote);
    cluster.forge('c', 'a', { ...vote, term: 1 });
    cluster.forge('c', 'a', { ...vote, to: me + 1 });
    expect(cluster.raft('a').role).toBe('candidate');
    cluster.forge('c', 'a', vote);
    expect(cluster.raft('a').role).toBe('leader');
  });

  it("a candidate's vote and requests wait until its term is durable", () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.stall('a');
    cluster.campaign('a');
    cluster.settle();
    expect(cluster.raft('a').role).toBe('candidate');
    expect(cluster.raft('b').ballot.term).toBe(1);
    cluster.unstall('a');
    cluster.settle();
    expect(cluster.leaders).toEqual(['a']);
  });

  it('a candidate that crashes before its term is durable receives no votes', () => {
    // If a server sent its vote requests before its term was durable, it could win term 2 and
    // forget the term in a crash. It could then win term 2 again, and append other entries at the
    // same indices.
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.stall('a');
    cluster.campaign('a');
    cluster.settle();
    expect(cluster.raft('a').ballot.term).toBe(2);
    cluster.crash('a');
    cluster.settle();
    expect([cluster.raft('b').ballot, cluster.raft('c').ballot].map((b) => b.term)).toEqual([1, 1]);
    cluster.start('a');
    cluster.unstall('a');
    cluster.elect('a');
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.raft('a').ballot.term).toBe(2);
  });

  it('a server ignores one late election timer, but not two in a row', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.skip(10_000);
    cluster.tick('a', true);
    expect(cluster.raft('a').role).toBe('follower');
    expect(cluster.server('a').reports).toEqual([{ kind: 'lateTimerForgiven' }]);
    cluster.skip(10_000);
    cluster.tick('a', true);
    expect(cluster.raft('a').role).toBe('preCandidate');
  });

  it('a server that hears from its leader again may ignore another late timer', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('b');
    for (let stall = 0; stall < 3; stall += 1) {
      cluster.skip(10_000);
      cluster.tick('a', true);
      expect(cluster.raft('a').role).toBe('follower');
      cluster.tick('b', true);
      expect(cluster.raft('b').role).toBe('leader');
      cluster.elapse(3 * cluster.timings.election);
    }
  });

  it('a server with a full disk votes but does not campaign', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.feed('a', (raft) => raft.setFull(true));
    cluster.crash('c');
    cluster.elapseUntil(() => cluster.leaders.length > 0);
    expect(cluster.leaders).toEqual(['b']);
  });

  it('restarted servers elect a leader within six election timeouts (bugs.md#23)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    for (const id of ['a', 'b', 'c']) cluster.crash(id);
    for (const id of ['a', 'b', 'c']) cluster.start(id);
    cluster.elapseUntil(() => cluster.leaders.length === 1, 6 * cluster.timings.election);
  });
});
