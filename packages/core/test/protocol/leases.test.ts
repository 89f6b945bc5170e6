// Shows when a leader holds a lease, and that no server votes for another one in that time. A lease
// is 400 ms long here, twice the election timeout, and a leader ends it after 300 ms.
import type { MembershipStep } from '@kontiki/core';
import { Scenario, type Envelope } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const LEASE = 400;

/** Returns a scenario in which server `a` leads and has just sent heartbeats that all acknowledged. */
function led(ids: readonly string[] = ['a', 'b', 'c'], leaseMs = LEASE): Scenario {
  const cluster = new Scenario(ids, { limits: { messageBytes: 1 } });
  cluster.elect('a');
  cluster.feed('a', (raft) => raft.setLease(leaseMs));
  cluster.settle();
  cluster.elapse(2 * LEASE);
  beat(cluster);
  return cluster;
}

/** Lets the leader send heartbeats now, and delivers everything that follows. */
function beat(cluster: Scenario): void {
  send(cluster);
  cluster.settle();
}

/** Lets the leader send heartbeats now. They stay in flight. */
function send(cluster: Scenario): void {
  cluster.skip(cluster.timings.heartbeat);
  cluster.tick('a');
}

/** Returns whether server `a` holds a lease `ms` milliseconds from now. */
function holds(cluster: Scenario, ms = 0, wallOffset = 0): boolean {
  return cluster.raft('a').holdsLease(cluster.now + ms, wallOffset);
}

/** Returns whether `id` votes for server `x`, whose log is longer than any other. */
function votes(cluster: Scenario, id: string, transfer = false, term = cluster.raft(id).ballot.term + 1): boolean {
  const vote = { kind: 'vote', term, incarnation: 99, lastIndex: 1_000, lastTerm: term - 1 } as const;
  cluster.forge('x', id, transfer ? { ...vote, transfer } : vote);
  return cluster.raft(id).ballot.votedFor === 'x';
}

describe('the lease of a leader', () => {
  it('a lease ends after three quarters of its length', () => {
    const cluster = led();
    expect(holds(cluster, 299)).toBe(true);
    expect(holds(cluster, 300)).toBe(false);
  });

  it('a lease begins when the heartbeats are sent, not when the replies arrive', () => {
    const cluster = led();
    send(cluster);
    cluster.skip(100);
    cluster.settle();
    expect(holds(cluster, 199)).toBe(true);
    expect(holds(cluster, 200)).toBe(false);
  });

  it('a reply to an earlier heartbeat does not extend a lease to a later one', () => {
    const cluster = led();
    send(cluster);
    cluster.settle(({ message }) => message.kind === 'heartbeatReply');
    cluster.skip(50);
    send(cluster);
    cluster.drop({ kind: 'heartbeat' });
    cluster.settle();
    expect(holds(cluster, 199)).toBe(true);
    expect(holds(cluster, 200)).toBe(false);
  });

  it('a leader holds no lease while leases are off', () => {
    const cluster = led(['a', 'b', 'c'], 0);
    expect(holds(cluster)).toBe(false);
    cluster.feed('a', (raft) => raft.setLease(LEASE));
    cluster.settle();
    beat(cluster);
    expect(holds(cluster)).toBe(true);
    cluster.feed('a', (raft) => raft.setLease(0));
    expect(holds(cluster)).toBe(false);
  });

  it('followers and deposed leaders hold no lease', () => {
    const cluster = led();
    expect(cluster.raft('b').holdsLease(cluster.now)).toBe(false);
    cluster.raiseTerm('a', 9);
    expect(holds(cluster)).toBe(false);
  });

  it('the only voter of a cluster holds a lease', () => {
    expect(holds(led(['a']), 299)).toBe(true);
  });

  it('a lease needs a quorum', () => {
    const cluster = led();
    cluster.isolate('a');
    cluster.skip(300);
    expect(holds(cluster)).toBe(false);
    beat(cluster);
    expect(holds(cluster)).toBe(false);
  });

  it('a lease holds only once the entry that sets it is committed', () => {
    const cluster = led(['a', 'b', 'c'], 0);
    cluster.isolate('c');
    cluster.stall('a');
    cluster.feed('a', (raft) => raft.setLease(LEASE));
    cluster.settle();
    beat(cluster);
    expect(holds(cluster)).toBe(false);
    cluster.unstall('a');
    cluster.settle();
    expect(holds(cluster)).toBe(true);
  });

  it('a peer counts for a lease only once it has the entry that sets it', () => {
    const cluster = led(['a', 'b', 'c'], 0);
    cluster.feed('a', (raft) => raft.setLease(LEASE));
    cluster.drop({ to: 'c', kind: 'append' });
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(cluster.raft('a').log.lastIndex);
    cluster.cut('b', 'a');
    send(cluster);
    cluster.settle(({ message }) => message.kind === 'append');
    expect(holds(cluster)).toBe(false);
    // Server `c` does not know the setting, so it may vote at any time.
    cluster.crash('a');
    cluster.skip(cluster.timings.election);
    expect(votes(cluster, 'c')).toBe(true);
  });

  it('a new leader holds no lease before it commits an entry of its own term', () => {
    const cluster = led();
    cluster.cut('a', 'c');
    cluster.propose('a', 'x');
    cluster.settle();
    cluster.isolate('a');
    cluster.skip(LEASE);
    // Server `c` first rejects the new entry, because it lacks the one before.
    const { lastIndex } = cluster.raft('b').log;
    const isNoop = ({ message, to }: Envelope): boolean =>
      to === 'c' && cluster.raft(to).log.lastIndex >= lastIndex && message.kind === 'append';
    cluster.elect('b', isNoop);
    cluster.skip(cluster.timings.heartbeat);
    cluster.tick('b');
    cluster.settle(isNoop);
    const { log, peers } = cluster.raft('b');
    expect(peers?.get('c')?.match).toBe(lastIndex);
    expect(log.committed).toBe(lastIndex);
    expect(cluster.raft('b').holdsLease(cluster.now)).toBe(false);
    cluster.settle();
    expect(cluster.raft('b').holdsLease(cluster.now)).toBe(true);
  });

  it('a leader that has sent TimeoutNow holds no lease until the term ends', () => {
    const cluster = led();
    cluster.feed('a', (raft) => raft.transfer('b'));
    cluster.drop({ kind: 'timeoutNow' });
    cluster.elapse(2 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.raft('a').transferTarget).toBe(undefined);
    beat(cluster);
    expect(holds(cluster)).toBe(false);
    cluster.feed('a', (raft) => raft.transfer('b'));
    cluster.settle();
    cluster.feed('b', (raft) => raft.transfer('a'));
    cluster.settle();
    expect(cluster.leaders).toEqual(['a']);
    beat(cluster);
    expect(holds(cluster)).toBe(true);
  });

  it('a leader keeps its lease while the target of a transfer receives entries', () => {
    const cluster = led();
    cluster.propose('a', 'x');
    cluster.feed('a', (raft) => raft.transfer('b'));
    expect(holds(cluster)).toBe(true);
    cluster.settle(({ message }) => message.kind === 'timeoutNow');
    expect(holds(cluster)).toBe(false);
  });

  it.each([
    ['the wall clock jumps forward', 350],
    ['the wall clock jumps back', -350],
  ])('a lease ends when %s', (_, jump) => {
    const cluster = led();
    expect(holds(cluster, 0, jump)).toBe(false);
    cluster.server('a').wallOffset = jump;
    beat(cluster);
    expect(holds(cluster, 0, jump)).toBe(true);
  });
});

describe('the promise not to vote', () => {
  it('a server refuses votes and pre-votes for the length of a lease', () => {
    const cluster = led();
    cluster.skip(LEASE - 1);
    expect(votes(cluster, 'b')).toBe(false);
    expect(cluster.raft('b').ballot.term).toBe(2);
    const { incarnation } = cluster.server('c');
    const preVote = { kind: 'preVote', term: 2, incarnation, lastIndex: 1_000, lastTerm: 2 } as const;
    cluster.forge('c', 'b', preVote);
    expect(cluster.sent.at(-1)?.message).toMatchObject({ kind: 'preVoteReply', granted: false });
    cluster.skip(1);
    cluster.forge('c', 'b', preVote);
    expect(cluster.sent.at(-1)?.message).toMatchObject({ kind: 'preVoteReply', granted: true });
    expect(votes(cluster, 'b')).toBe(true);
  });

  it('a restarted server refuses votes for the length of a lease', () => {
    const cluster = led();
    cluster.start('b');
    cluster.skip(LEASE - 1);
    expect(votes(cluster, 'b')).toBe(false);
    cluster.skip(1);
    expect(votes(cluster, 'b')).toBe(true);
  });

  it('a server that enters a higher term keeps its promise', () => {
    const cluster = led();
    cluster.raiseTerm('b', 9);
    expect(votes(cluster, 'b')).toBe(false);
  });

  it('a server keeps its promise to candidates of its own term', () => {
    const cluster = led();
    cluster.raiseTerm('b', 9);
    expect(votes(cluster, 'b', false, 9)).toBe(false);
    cluster.skip(LEASE);
    expect(votes(cluster, 'b', false, 9)).toBe(true);
  });

  it('a server that no longer knows its leader keeps its promise', () => {
    const cluster = led(['a', 'b', 'c'], 4 * LEASE);
    cluster.isolate('b');
    cluster.elapse(LEASE + 1);
    expect(cluster.raft('b').leader).toBe(undefined);
    expect(votes(cluster, 'b')).toBe(false);
  });

  it('a server does not campaign within a lease', () => {
    const cluster = led(['a', 'b', 'c'], 4 * LEASE);
    cluster.isolate('a');
    const before = cluster.sent.length;
    cluster.elapse(4 * LEASE - 1);
    cluster.campaign('b');
    const preVotes = cluster.sent.slice(before).filter(({ message }) => message.kind === 'preVote');
    expect(preVotes.filter(({ from }) => from !== 'a')).toEqual([]);
    cluster.elapseUntil(() => cluster.leaders.length > 0);
  });

  it('other timings of a server do not shorten its promise', () => {
    const cluster = led();
    cluster.feed('b', (raft) => raft.setTimings({ heartbeat: 5, election: 10 }));
    cluster.skip(LEASE - 1);
    expect(votes(cluster, 'b')).toBe(false);
  });

  it('a server promises by an entry that is not committed yet', () => {
    const cluster = led(['a', 'b', 'c'], 0);
    cluster.isolate('c');
    cluster.feed('a', (raft) => raft.setLease(LEASE));
    cluster.settle(({ message, to }) => to === 'b' && (message.kind === 'commit' || message.kind === 'heartbeat'));
    expect(cluster.raft('b').log.committed).toBeLessThan(cluster.raft('b').log.lastIndex);
    cluster.skip(LEASE - 1);
    expect(votes(cluster, 'b')).toBe(false);
  });

  it('a server keeps its promise while the end of leases is not committed', () => {
    const cluster = led();
    cluster.isolate('c');
    cluster.feed('a', (raft) => raft.setLease(0));
    cluster.settle(({ message, to }) => to === 'b' && (message.kind === 'commit' || message.kind === 'heartbeat'));
    expect(cluster.raft('b').log.membership?.leaseMs).toBe(0);
    cluster.skip(LEASE - 1);
    expect(votes(cluster, 'b')).toBe(false);
  });

  it('a server whose monotonic clock jumps renews its promise', () => {
    const cluster = led();
    cluster.skip(LEASE);
    cluster.server('b').wallOffset = -LEASE;
    expect(votes(cluster, 'b')).toBe(false);
    cluster.skip(LEASE);
    expect(votes(cluster, 'b')).toBe(true);
  });

  it('small steps of the wall clock do not renew a promise', () => {
    const cluster = led();
    cluster.skip(LEASE);
    cluster.server('b').wallOffset = LEASE / 16;
    expect(votes(cluster, 'b')).toBe(true);
  });

  it('a transfer succeeds despite the promises, but only in the next term', () => {
    const cluster = led();
    expect(votes(cluster, 'b', true, 4)).toBe(false);
    cluster.feed('a', (raft) => raft.transfer('c'));
    cluster.settle();
    expect(cluster.leaders).toEqual(['c']);
  });
});

describe('the length of a lease', () => {
  it.each<[string, MembershipStep[]]>([
    ['an address has changed', [{ kind: 'setAddress', id: 'b', address: 'memory:x' }]],
    ['several voters have changed', ['b', 'c'].map((id) => ({ kind: 'demote', id }))],
  ])('the length of a lease stays the same after %s', (_, steps) => {
    const cluster = led(['a', 'b', 'c', 'd', 'e']);
    cluster.feed('a', (raft) => raft.changeMembership(steps));
    expect(holds(cluster)).toBe(false);
    cluster.settle();
    cluster.elapse(cluster.timings.election);
    expect(cluster.raft('a').log.membership).toMatchObject({ leaseMs: LEASE, outgoing: [] });
    beat(cluster);
    expect(holds(cluster)).toBe(true);
  });

  it('setLease is refused below level 2, on followers and during another change', () => {
    const cluster = led();
    expect(cluster.feed('b', (raft) => raft.setLease(1))).toMatchObject({ refused: 'notLeader' });
    cluster.feed('a', (raft) => raft.setLease(1));
    expect(cluster.feed('a', (raft) => raft.setLease(2))).toMatchObject({ refused: 'changing' });
    expect(cluster.feed('a', (raft) => raft.setLease(2, { expected: 9 }))).toMatchObject({ refused: 'changing' });
  });
});
