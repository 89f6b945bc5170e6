import { command, Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const ids = ['a', 'b', 'c'];

function led(): Scenario {
  const cluster = new Scenario(ids);
  cluster.elect('a');
  cluster.elapse(cluster.timings.heartbeat);
  return cluster;
}

/** The answer of a peer that it never gave. */
function lie(cluster: Scenario, from: string, match: number): void {
  const { incarnation } = cluster.server(from);
  const stream = cluster.raft('a').peers?.get(from)?.stream ?? 0;
  const to = cluster.server('a').incarnation;
  cluster.forge(from, 'a', { kind: 'appendAccepted', term: 2, incarnation, to, stream, match, full: false });
}

describe('a scenario fails when', () => {
  it('a voter votes twice in a term', () => {
    const cluster = new Scenario(ids);
    const vote = { kind: 'vote', term: 2, incarnation: 9, lastIndex: 1, lastTerm: 1 } as const;
    cluster.forge('a', 'c', vote);
    cluster.writeAll('c');
    cluster.server('c').disk.ballot = { term: 2, votedFor: undefined };
    cluster.start('c');
    cluster.forge('b', 'c', vote);
    expect(() => cluster.writeAll('c')).toThrow('oneVoteATerm');
  });

  it('a server forgets a term that it spoke in', () => {
    const cluster = led();
    cluster.server('b').disk.entries.length = 1;
    cluster.server('b').disk.ballot = undefined;
    expect(() => cluster.start('b')).toThrow('termsRise');
  });

  it('two servers lead one term', () => {
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

  it('an entry of one index and term is another one elsewhere', () => {
    const cluster = led();
    cluster.propose('a', 'x');
    cluster.drop();
    const other = [command(3, 2, 'not x')];
    const append = { kind: 'append', term: 2, incarnation: 9, stream: 1, prevIndex: 2, prevTerm: 2 } as const;
    expect(() => cluster.forge('a', 'b', { ...append, committed: 2, entries: other })).toThrow('logMatching');
  });

  it('what no quorum has written is committed', () => {
    const cluster = led();
    cluster.isolate('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(() => lie(cluster, 'b', 3)).toThrow('commitIsDurable');
  });

  it('servers apply different entries at one index', () => {
    const cluster = led();
    cluster.propose('a', 'x');
    cluster.settle();
    cluster.startWith('b', [2], 3);
    const append = { kind: 'append', term: 3, incarnation: 9, stream: 1, prevIndex: 2, prevTerm: 2 } as const;
    expect(() => {
      cluster.forge('c', 'b', { ...append, committed: 3, entries: [command(3, 3)] });
      cluster.writeAll('b');
    }).toThrow('stateMachineSafety');
  });

  it('a leader is elected without what was committed', () => {
    const cluster = led();
    cluster.propose('a', 'x');
    cluster.settle();
    for (const id of ['b', 'c']) cluster.startWith(id, [], 2);
    cluster.crash('a');
    expect(() => cluster.elect('b')).toThrow('leaderCompleteness');
  });

  it('a read misses what was acknowledged before it began', () => {
    const cluster = led();
    cluster.isolate('b');
    cluster.propose('a', 'x');
    cluster.settle();
    const ticket = cluster.read('b');
    const to = cluster.server('b').incarnation;
    const answer = { kind: 'readIndexReply', term: 2, incarnation: 9, to, ticket, index: 2 } as const;
    expect(() => cluster.forge('a', 'b', answer)).toThrow('readsAreFresh');
  });
});

describe('the language', () => {
  it('holds, doubles and drops just the messages that are meant', () => {
    const cluster = led();
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

  it('a crash keeps the oldest writes under way, as many as are named', () => {
    const cluster = led();
    cluster.stall('b');
    for (const text of ['x', 'y', 'z']) {
      cluster.propose('a', text);
      cluster.settle();
    }
    cluster.crash('b', 2);
    expect(cluster.terms('b')).toEqual([1, 2, 2, 2]);
    expect(() => cluster.tick('b')).toThrow('b is down');
  });

  it('what comes for a server that stands still waits, and its own lateness is excused', () => {
    const cluster = led();
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

  it('notices a storm of messages', () => {
    const cluster = led();
    const b = cluster.server('b');
    const beats = cluster.sent.filter(({ to, message }) => to === 'b' && message.kind === 'heartbeat').slice(-1);
    const turn = b.turn.bind(b);
    b.turn = (...args): void => {
      turn(...args);
      cluster.release(beats);
    };
    cluster.read('a');
    expect(() => cluster.settle()).toThrow('does not come to rest');
  });
});
