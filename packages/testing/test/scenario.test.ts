import { command, Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

// Shows that a scenario throws a `Violation` when a step breaks an invariant, and that its controls
// work. Breaks invariants by forging messages and changing disks.
const ids = ['a', 'b', 'c'];

/** Returns a cluster in which server `a` leads. */
function clusterWithLeader(): Scenario {
  const cluster = new Scenario(ids);
  cluster.elect('a');
  cluster.elapse(cluster.timings.heartbeat);
  return cluster;
}

/** Forges a reply in which a peer claims to have all entries up to `match`. */
function forgeMatch(cluster: Scenario, from: string, match: number): void {
  const { incarnation } = cluster.server(from);
  const stream = cluster.raft('a').peers?.get(from)?.stream ?? 0;
  const to = cluster.server('a').incarnation;
  cluster.forge(from, 'a', { kind: 'appendAccepted', term: 2, incarnation, to, stream, match, full: false });
}

describe('a scenario', () => {
  it('a scenario throws when a server votes twice in a term', () => {
    const cluster = new Scenario(ids);
    const vote = { kind: 'vote', term: 2, incarnation: 9, lastIndex: 1, lastTerm: 1 } as const;
    cluster.forge('a', 'c', vote);
    cluster.writeAll('c');
    cluster.server('c').disk.ballot = { term: 2, votedFor: undefined };
    cluster.start('c');
    cluster.forge('b', 'c', vote);
    expect(() => cluster.writeAll('c')).toThrow('oneVotePerTerm');
  });

  it('a scenario throws when a server forgets a term in which it sent messages', () => {
    const cluster = clusterWithLeader();
    cluster.server('b').disk.entries.length = 1;
    cluster.server('b').disk.ballot = undefined;
    expect(() => cluster.start('b')).toThrow('termsRise');
  });

  it('a scenario throws when two servers lead in the same term', () => {
    const cluster = new Scenario(ids);
    cluster.isolate('b');
    cluster.elect('a');
    cluster.makeCandidate('b');
    cluster.drop();
    const to = cluster.server('b').incarnation;
    expect(() => {
      while (cluster.raft('b').role !== 'leader') {
        cluster.write('b');
        cluster.forge('c', 'b', { kind: 'voteReply', term: 2, incarnation: 9, to, granted: true });
      }
    }).toThrow('electionSafety');
  });

  it('a scenario throws when entries with the same index and term differ', () => {
    const cluster = clusterWithLeader();
    cluster.propose('a', 'x');
    cluster.drop();
    const other = [command(3, 2, 'not x')];
    const append = { kind: 'append', term: 2, incarnation: 9, stream: 1, prevIndex: 2, prevTerm: 2 } as const;
    expect(() => cluster.forge('a', 'b', { ...append, committed: 2, entries: other })).toThrow('logMatching');
  });

  it('a scenario throws when an entry is committed without a quorum', () => {
    const cluster = clusterWithLeader();
    cluster.isolate('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(() => forgeMatch(cluster, 'b', 3)).toThrow('commitIsDurable');
  });

  it('a scenario throws when servers apply different entries at the same index', () => {
    const cluster = clusterWithLeader();
    cluster.propose('a', 'x');
    cluster.settle();
    cluster.startWith('b', [], 3);
    const append = { kind: 'append', term: 3, incarnation: 9, stream: 1, prevIndex: 1, prevTerm: 1 } as const;
    expect(() => {
      cluster.forge('c', 'b', { ...append, committed: 2, entries: [command(2, 3)] });
      cluster.writeAll('b');
    }).toThrow('stateMachineSafety');
  });

  it('a scenario throws when a leader lacks a committed entry', () => {
    const cluster = clusterWithLeader();
    cluster.propose('a', 'x');
    cluster.settle();
    for (const id of ['b', 'c']) cluster.startWith(id, [], 2);
    cluster.crash('a');
    expect(() => cluster.elect('b')).toThrow('leaderCompleteness');
  });

  it('a scenario throws when a read misses an acknowledged entry', () => {
    const cluster = clusterWithLeader();
    cluster.isolate('b');
    cluster.propose('a', 'x');
    cluster.settle();
    const ticket = cluster.read('b');
    const to = cluster.server('b').incarnation;
    const answer = { kind: 'readIndexReply', term: 2, incarnation: 9, to, ticket, index: 2 } as const;
    expect(() => cluster.forge('a', 'b', answer)).toThrow('readsAreFresh');
  });
});

describe('the controls of a scenario', () => {
  it('hold, duplicate and drop affect only matching messages', () => {
    const cluster = clusterWithLeader();
    cluster.propose('a', 'x');
    cluster.drop({ to: 'c' });
    cluster.duplicate({ kind: 'append' });
    expect(cluster.underWay.map(({ to, message }) => [to, message.kind])).toEqual([
      ['b', 'append'],
      ['b', 'append'],
    ]);
    const held = cluster.hold(({ to }) => to === 'b');
    cluster.settle();
    expect(cluster.raft('b').log.lastIndex).toBe(2);
    cluster.release(held);
    cluster.settle();
    expect(cluster.raft('b').log.committed).toBe(3);
  });

  it('crash keeps the given number of oldest writes', () => {
    const cluster = clusterWithLeader();
    cluster.stall('b');
    for (const text of ['x', 'y', 'z']) {
      cluster.propose('a', text);
      cluster.settle();
    }
    cluster.crash('b', 2);
    expect(cluster.terms('b')).toEqual([1, 2, 2, 2]);
    expect(() => cluster.tick('b')).toThrow('b is down');
  });

  it('a resumed server processes pending messages without starting an election', () => {
    const cluster = clusterWithLeader();
    cluster.pause('b');
    cluster.propose('a', 'x');
    cluster.elapse(10 * cluster.timings.election);
    expect(cluster.raft('b').log.lastIndex).toBe(2);
    cluster.resume('b');
    cluster.settle();
    expect(cluster.raft('b').log.committed).toBe(3);
    cluster.elapse(cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
  });

  it('settle throws when servers never stop sending', () => {
    const cluster = clusterWithLeader();
    const b = cluster.server('b');
    const beats = cluster.sent.filter(({ to, message }) => to === 'b' && message.kind === 'heartbeat').slice(-1);
    const turn = b.turn.bind(b);
    b.turn = (...args): void => {
      turn(...args);
      cluster.release(beats);
    };
    cluster.read('a');
    expect(() => cluster.settle()).toThrow('does not settle');
  });
});
