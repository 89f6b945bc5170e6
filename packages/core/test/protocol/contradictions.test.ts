// Shows that a contradiction between two histories stops the server that detects it, or excludes
// the peer. Each test restores one server's log from an older copy of its disk, or forges the
// messages of such a server.
import { describe, expect, it } from 'vitest';
import { membershipOf } from '@kontiki/core';
import { Scenario } from '@kontiki/testing';

const contradiction: unknown = expect.objectContaining({ code: 'KONTIKI_CONTRADICTION' });

function withLeader(): Scenario {
  const cluster = new Scenario(['a', 'b', 'c']);
  cluster.elect('a');
  for (const command of ['x', 'y', 'z']) cluster.propose('a', command);
  cluster.elapse(300);
  return cluster;
}

describe('contradictions', () => {
  it('a follower stops when a leader claims that it acknowledged an entry it lacks', () => {
    const cluster = withLeader();
    const { term } = cluster.raft('a').ballot;
    const heartbeat = { kind: 'heartbeat', term, incarnation: 1, stream: 1, round: 0, committed: 99 } as const;
    expect(() => cluster.forge('a', 'b', heartbeat)).toThrow(contradiction);
    expect(cluster.terms('b')).toHaveLength(5);
  });

  it('a follower stops when a read is confirmed below its commit index', () => {
    const cluster = withLeader();
    const { term } = cluster.raft('a').ballot;
    const ticket = cluster.read('b');
    cluster.turn('b');
    const { incarnation } = cluster.raft('b').header;
    const reply = { kind: 'readIndexReply', term, incarnation: 1, to: incarnation, ticket, index: 2 } as const;
    expect(() => cluster.forge('a', 'b', reply)).toThrow(contradiction);
  });

  it('a follower stops when it is offered a snapshot that contradicts a committed entry', () => {
    const cluster = withLeader();
    const { term } = cluster.raft('a').ballot;
    const meta = {
      id: '0'.repeat(32),
      cluster: 'test',
      last: { index: 3, term: term + 1 },
      membership: { index: 1, membership: membershipOf([['a', { address: 'a', metadata: '' }]]) },
      genesis: 1,
      version: 0,
    };
    const offer = { kind: 'snapshotOffer', term: term + 1, incarnation: 1, stream: 1, bytes: 9, meta } as const;
    expect(() => cluster.forge('a', 'b', offer)).toThrow(contradiction);
  });

  it('a leader excludes a peer that acknowledges entries that the leader lacks', () => {
    const cluster = withLeader();
    const progress = cluster.raft('a').peers?.get('b');
    const { stream = 0 } = progress ?? {};
    const { incarnation } = cluster.raft('b').header;
    const to = cluster.raft('a').header.incarnation;
    const { term } = cluster.raft('a').ballot;
    const accepted = { kind: 'appendAccepted', term, incarnation, to, stream, match: 99, full: false } as const;
    for (let i = 0; i < 3; i += 1) cluster.forge('b', 'a', accepted);
    const { reports } = cluster.server('a');
    expect(reports.filter(({ kind }) => kind === 'ackBeyondLog')).toHaveLength(1);
    expect(progress?.contradicts).toBe(true);
    // Without server `c`, the leader has no peer whose replies count.
    cluster.isolate('c');
    const position = cluster.propose('a', 'w');
    cluster.elapse(200);
    expect(position).toMatchObject({ index: 6 });
    expect(cluster.raft('a').log.committed).toBe(5);
    expect(cluster.raft('b').log.lastIndex).toBe(5);
  });

  it('a leader reports a second leader of its term once and excludes it', () => {
    const cluster = withLeader();
    const { term } = cluster.raft('a').ballot;
    const append = { kind: 'append', term, incarnation: 9, stream: 1, prevIndex: 5, prevTerm: term } as const;
    for (const to of ['a', 'c']) {
      for (let i = 0; i < 3; i += 1) cluster.forge('b', to, { ...append, committed: 0, entries: [] });
      const seen = cluster.server(to).reports.filter(({ kind }) => kind === 'secondLeader');
      expect(seen).toEqual([{ kind: 'secondLeader', peer: 'b' }]);
    }
    expect(cluster.raft('a').peers?.get('b')?.contradicts).toBe(true);
  });
});
