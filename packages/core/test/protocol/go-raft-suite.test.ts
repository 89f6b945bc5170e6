// Repeats the tests of go-raft, except for its tests of membership changes and snapshots. The
// comment above each test is the test's name in go-raft. Where go-raft was wrong, the test asserts
// the correct result: in go-raft, a late message truncated the log, and a restart lost the vote.
import { describe, expect, it } from 'vitest';
import type { Entry, Message } from '@kontiki/core';
import type { Append } from '@kontiki/core/protocol';
import { command, Scenario } from '@kontiki/testing';

/** Delivers a message, finishes the resulting writes, and returns the reply. */
function ask(cluster: Scenario, from: string, to: string, message: Message): Message | undefined {
  cluster.drop();
  cluster.forge(from, to, message);
  cluster.writeAll(to);
  return cluster.underWay.find((flight) => flight.to === from)?.message;
}

const vote = (term: number, lastIndex: number, lastTerm: number): Message => ({
  kind: 'vote',
  term,
  incarnation: 1,
  lastIndex,
  lastTerm,
});
const append = (term: number, prevIndex: number, prevTerm: number, entries: Entry[], committed: number): Append => ({
  kind: 'append',
  term,
  incarnation: 1,
  stream: 1,
  prevIndex,
  prevTerm,
  committed,
  entries,
});

describe('tests of go-raft, server_test.go', () => {
  // TestServerRequestVote
  it('a server grants its vote to the first candidate that requests it', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    expect(ask(cluster, 'b', 'a', vote(2, 1, 1))).toMatchObject({ kind: 'voteReply', term: 2, granted: true });
  });

  // TestServerRequestVoteDeniedForStaleTerm
  it('a server refuses a vote request from a stale term', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.startWith('a', [], 2);
    expect(ask(cluster, 'b', 'a', vote(1, 1, 1))).toMatchObject({ term: 2, granted: false });
    expect(cluster.raft('a').ballot).toEqual({ term: 2, votedFor: undefined });
  });

  // TestServerRequestVoteDeniedIfAlreadyVoted
  it('a server grants one vote per term', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    expect(ask(cluster, 'b', 'a', vote(2, 1, 1))).toMatchObject({ granted: true });
    expect(ask(cluster, 'c', 'a', vote(2, 1, 1))).toMatchObject({ term: 2, granted: false });
  });

  // TestServerRequestVoteApprovedIfAlreadyVotedInOlderTerm
  it('a server that voted in an earlier term can vote again in a later term', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    ask(cluster, 'b', 'a', vote(2, 1, 1));
    expect(cluster.raft('a').ballot.votedFor).toBe('b');
    expect(ask(cluster, 'c', 'a', vote(3, 1, 1))).toMatchObject({ term: 3, granted: true });
    expect(cluster.raft('a').ballot.votedFor).toBe('c');
  });

  // TestServerRequestVoteDenyIfCandidateLogIsBehind
  it('a server refuses its vote to a candidate with an outdated log (bugs.md#s2)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.startWith('a', [1, 2]); // The log ends at index 3, term 2.
    expect(ask(cluster, 'b', 'a', vote(3, 2, 2))).toMatchObject({ term: 3, granted: false });
    expect(ask(cluster, 'b', 'a', vote(2, 3, 2))).toMatchObject({ term: 3, granted: false });
    expect(ask(cluster, 'b', 'a', vote(3, 3, 2))).toMatchObject({ term: 3, granted: true });
    expect(ask(cluster, 'b', 'a', vote(4, 4, 2))).toMatchObject({ term: 4, granted: true });
  });

  // TestProcessVoteResponse
  it('a leader steps down when a vote reply has a higher term', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    const to = cluster.server('a').incarnation;
    cluster.forge('b', 'a', { kind: 'voteReply', term: 3, incarnation: 1, to, granted: true });
    expect([cluster.raft('a').role, cluster.raft('a').ballot.term]).toEqual(['follower', 3]);
    cluster.forge('b', 'a', { kind: 'voteReply', term: 3, incarnation: 1, to, granted: true });
    expect(cluster.raft('a').role).toBe('follower');
  });

  // TestServerPromoteSelf, TestServerPromote
  it('a cluster of one or three servers elects a leader', () => {
    for (const ids of [['a'], ['a', 'b', 'c']]) {
      const cluster = new Scenario(ids);
      cluster.elapse(4 * cluster.timings.election);
      expect(cluster.leaders).toHaveLength(1);
    }
  });

  // TestServerAppendEntries
  it('a server appends entries and commits up to the commit index in an append', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    expect(ask(cluster, 'b', 'a', append(2, 1, 1, [command(2, 2)], 1))).toMatchObject({
      kind: 'appendAccepted',
      match: 2,
    });
    expect(cluster.raft('a').log.committed).toBe(1);
    expect(ask(cluster, 'b', 'a', append(2, 2, 2, [command(3, 2), command(4, 2)], 2))).toMatchObject({ match: 4 });
    expect(cluster.raft('a').log.committed).toBe(2);
    expect(ask(cluster, 'c', 'a', append(3, 4, 2, [], 4))).toMatchObject({ term: 3, match: 4 });
    expect(cluster.raft('a').log.committed).toBe(4);
  });

  // TestServerAppendEntriesWithStaleTermsAreRejected
  it('a server rejects an append from a stale term', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.startWith('a', [], 2);
    expect(ask(cluster, 'b', 'a', append(1, 1, 1, [command(2, 1)], 2))).toMatchObject({
      kind: 'heartbeatReply',
      term: 2,
    });
    expect([cluster.terms('a'), cluster.raft('a').log.committed]).toEqual([[1], 1]);
  });

  // TestServerAppendEntriesRejectedIfAlreadyCommitted
  it('a server refuses an append that contradicts a committed entry', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    ask(cluster, 'b', 'a', append(2, 1, 1, [command(2, 2), command(3, 2)], 3));
    expect(() => ask(cluster, 'c', 'a', append(3, 2, 2, [command(3, 3)], 3))).toThrow(
      expect.objectContaining({ code: 'KONTIKI_CONTRADICTION' }),
    );
    expect(cluster.terms('a')).toEqual([1, 2, 2]);
  });

  // TestServerAppendEntriesOverwritesUncommittedEntries
  it('a server overwrites uncommitted entries', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    ask(cluster, 'b', 'a', append(2, 1, 1, [command(2, 2), command(3, 2)], 2));
    expect(ask(cluster, 'c', 'a', append(3, 2, 2, [command(3, 3)], 3))).toMatchObject({ match: 3 });
    expect([cluster.terms('a'), cluster.raft('a').log.committed]).toEqual([[1, 2, 3], 3]);
  });

  // TestServerDenyCommandExecutionWhenFollower
  it('a follower refuses a proposal', () => {
    expect(new Scenario(['a', 'b', 'c']).propose('a', 'x')).toBe('notLeader');
  });

  // TestServerRecoverFromPreviousLogAndConf
  it('five restarted servers recover their logs and elect a leader once connected', () => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const cluster = new Scenario(ids);
    cluster.elect('a');
    for (let i = 0; i < 10; i += 1) cluster.propose('a', `${i}`);
    cluster.elapse(cluster.timings.election);
    const committed = cluster.raft('a').log.committed;
    expect(committed).toBe(12);
    for (const id of ids) {
      expect(cluster.raft(id).log.committed).toBe(committed);
      cluster.crash(id);
    }
    for (const id of ids) cluster.isolate(id);
    for (const id of ids) cluster.start(id);
    cluster.elapse(4 * cluster.timings.election);
    expect(cluster.leaders).toEqual([]);
    cluster.heal();
    cluster.elapseUntil(() => cluster.leaders.length === 1);
    cluster.elapse(cluster.timings.election);
    // The only other committed entry is the no-op of the new term.
    for (const id of ids) expect(cluster.raft(id).log.committed).toBe(committed + 1);
  });

  // TestServerMultiNode
  it('five servers keep committing during twenty rounds with two servers cut off', () => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const cluster = new Scenario(ids, { seed: 20 });
    for (let round = 0; round < 20; round += 1) {
      const away = [ids[round % 5] as string, ids[(round + 2) % 5] as string];
      const rest = ids.filter((id) => !away.includes(id));
      cluster.partition(away, rest);
      cluster.elapse(2 * cluster.timings.election); // A leader without a quorum steps down.
      cluster.elapseUntil(() => rest.filter((id) => cluster.raft(id).role === 'leader').length === 1);
      const leader = rest.find((id) => cluster.raft(id).role === 'leader') as string;
      for (let i = 0; i < 10; i += 1)
        expect(cluster.propose(leader, `${round}/${i}`)).toMatchObject({ index: expect.any(Number) as number });
      const { lastIndex } = cluster.raft(leader).log;
      cluster.elapseUntil(() => rest.every((id) => cluster.raft(id).log.committed >= lastIndex));
      cluster.heal();
    }
    cluster.elapse(10 * cluster.timings.election);
    const [first, ...others] = ids.map((id) => cluster.server(id).applied);
    expect(first?.filter(({ kind }) => kind === 'command')).toHaveLength(200);
    for (const other of others) expect(other).toEqual(first);
  });
});

describe('tests of go-raft, log_test.go', () => {
  // TestLogContainsEntries, TestLogTruncate
  it('a log reports the term of each index and truncates only uncommitted entries', () => {
    const cluster = new Scenario(['a']);
    cluster.startWith('a', [1, 2]);
    const { log } = cluster.raft('a');
    expect([0, 1, 2, 3, 4].map((index) => log.termAt(index))).toEqual([0, 1, 1, 2, undefined]);
    log.commitTo(2);
    expect(() => log.truncate(1)).toThrow(/committed/);
    expect(() => log.truncate(2)).toThrow(/committed/);
    expect(() => log.truncate(4)).toThrow(/ends at 3/);
    log.truncate(3);
    expect(log.last).toEqual({ index: 2, term: 1 });
    log.append(command(3, 5));
    expect(log.last).toEqual({ index: 3, term: 5 });
  });
});
