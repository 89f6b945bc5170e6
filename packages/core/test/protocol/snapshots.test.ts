// Shows how the protocol installs, acknowledges and sends snapshots. No snapshot bytes are
// involved.
import { membershipOf, type SnapshotMeta } from '@kontiki/core';
import type { Output, Raft } from '@kontiki/core/protocol';
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

type SnapshotEvent = Output['snapshots'][number];

const membership = { index: 1, membership: membershipOf([['z', { address: 'memory:z', metadata: '' }]]) };

const metaAt = (index: number, term: number): SnapshotMeta => ({
  id: 'a'.repeat(32),
  cluster: 'test',
  last: { index, term },
  membership,
  genesis: 1,
  version: 0,
});

/** Installs a complete snapshot up to entry `index` from the leader of the current term. */
function install(raft: Raft, index: number, term: number): boolean {
  const meta = metaAt(index, term);
  const offer = {
    kind: 'snapshotOffer',
    term: raft.ballot.term,
    incarnation: 1,
    stream: 1,
    meta,
    bytes: 100,
  } as const;
  return raft.install(meta, 'a', offer);
}

/** Returns a scenario in which server `a` leads and has committed some commands. */
function led(entries: number): Scenario {
  const cluster = new Scenario(['a', 'b', 'c']);
  cluster.elect('a');
  for (let i = 0; i < entries; i += 1) cluster.propose('a', `x${i}`);
  cluster.settle();
  return cluster;
}

/**
 * Returns a scenario with uncommitted entries 3 to 5. The follower has them, but they are durable
 * only on the leader.
 */
function uncommitted(): Raft {
  const cluster = led(0);
  cluster.stall('b');
  cluster.stall('c');
  for (const text of ['x', 'y', 'z']) cluster.propose('a', text);
  cluster.settle();
  return cluster.raft('b');
}

describe('installing a snapshot', () => {
  it("install keeps a log that contains the snapshot's last entry (bugs.md#s8)", () => {
    const { log } = led(3).raft('b');
    const raft = led(3).raft('b');
    expect([raft.log.last.index, raft.log.committed]).toEqual([5, 5]);
    expect(install(raft, 3, raft.ballot.term)).toBe(false);
    expect(raft.log).toMatchObject({ base: log.base, lastIndex: 5, committed: 5 });
    expect(raft.log.membership).not.toBe(membership.membership);
  });

  it('install commits the entries covered by the snapshot and keeps later entries', () => {
    const raft = uncommitted();
    expect([raft.log.lastIndex, raft.log.committed]).toEqual([5, 2]);
    expect(install(raft, 4, raft.ballot.term)).toBe(false);
    expect([raft.log.base.index, raft.log.lastIndex, raft.log.committed]).toEqual([0, 5, 4]);
  });

  it('install replaces a conflicting log and its membership', () => {
    const raft = uncommitted();
    expect(install(raft, 4, raft.ballot.term + 1)).toBe(true);
    expect([raft.log.base.index, raft.log.lastIndex, raft.log.committed]).toEqual([4, 4, 4]);
    expect(raft.log.termAt(4)).toBe(raft.ballot.term + 1);
    expect(raft.log.membership).toBe(membership.membership);
  });
});

describe('acknowledging a snapshot', () => {
  const offerOf = (raft: Raft, term: number, meta = metaAt(9, 1)) =>
    ({ kind: 'snapshotOffer', term, incarnation: raft.header.incarnation, stream: 1, meta, bytes: 100 }) as const;
  const kinds = (mail: Output['messages']): string[] => [...mail.values()].flat().map(({ kind }) => kind);

  it('a follower acknowledges chunks only to the leader of its term', () => {
    const raft = uncommitted();
    const { term } = raft.ballot;
    raft.takeOutput();
    raft.acknowledgeSnapshot('a', offerOf(raft, term - 1), 'x', 10);
    raft.acknowledgeSnapshot('c', offerOf(raft, term), 'x', 10);
    expect(kinds(raft.takeOutput().messages)).toEqual([]);
    raft.acknowledgeSnapshot('a', offerOf(raft, term), 'x', 10);
    expect(kinds(raft.takeOutput().messages)).toEqual(['snapshotAck']);
  });

  it('a follower acknowledges an install only after the log reset is durable', () => {
    const raft = uncommitted();
    raft.takeOutput();
    expect(install(raft, 4, raft.ballot.term + 1)).toBe(true);
    const { messages, afterWrite, write, after } = raft.takeOutput();
    expect([kinds(messages), kinds(afterWrite)]).toEqual([[], ['appendAccepted']]);
    expect([write?.reset?.index, after]).toEqual([4, write?.number]);
  });

  it('a follower acknowledges an offered snapshot that its log already covers', () => {
    const raft = led(3).raft('b');
    raft.applied(5);
    raft.compact(5);
    raft.takeOutput();
    raft.step('a', offerOf(raft, raft.ballot.term, metaAt(3, raft.ballot.term)));
    const { snapshots, afterWrite } = raft.takeOutput();
    expect([snapshots, kinds(afterWrite)]).toEqual([[], ['appendAccepted']]);
  });
});

describe('sending a snapshot', () => {
  it('a leader sends a snapshot only in the stream that requested it', () => {
    const cluster = led(6);
    const raft = cluster.raft('a');
    const progress = raft.peers?.get('c');
    const stream = progress?.stream ?? 0;
    const body = { kind: 'snapshotOffer', meta: metaAt(5, 1), bytes: 100 } as const;
    const ack = {
      kind: 'snapshotAck',
      term: raft.ballot.term,
      incarnation: cluster.server('c').incarnation,
      to: cluster.server('a').incarnation,
      id: 'x',
      offset: 0,
    } as const;
    /** Acknowledges a snapshot in a given stream, and returns the number of events. */
    const acknowledged = (of: number): number => {
      raft.step('c', { ...ack, stream: of });
      return raft.takeOutput().snapshots.length;
    };
    expect([raft.sendSnapshot('c', stream, body), acknowledged(stream)]).toEqual([false, 0]);
    progress?.rejected(progress.next - 1, 0);
    progress?.needsSnapshot();
    const next = progress?.stream ?? 0;
    expect(next).toBeGreaterThan(stream);
    expect([raft.sendSnapshot('c', stream, body), acknowledged(stream)]).toEqual([false, 0]);
    expect([raft.sendSnapshot('c', next, body), acknowledged(next)]).toEqual([true, 1]);
  });

  it('a peer needs another snapshot if its installed one is too old (bugs.md#42)', () => {
    const cluster = led(3);
    cluster.crash('c');
    for (let i = 0; i < 6; i += 1) cluster.propose('a', `y${i}`);
    cluster.settle();
    const raft = cluster.raft('a');
    const events: SnapshotEvent[] = [];
    const take = raft.takeOutput.bind(raft);
    raft.takeOutput = () => {
      const output = take();
      events.push(...output.snapshots);
      return output;
    };
    raft.compact(8);
    cluster.start('c');
    cluster.elapse(3 * cluster.timings.heartbeat);
    const requests = (): SnapshotEvent[] => events.filter(({ kind }) => kind === 'wanted');
    expect(requests()).toMatchObject([{ peer: 'c' }]);
    const c = cluster.raft('c');
    const { stream } = events[0] as Extract<SnapshotEvent, { kind: 'wanted' }>;
    const accepted = {
      kind: 'appendAccepted',
      term: raft.ballot.term,
      incarnation: cluster.server('c').incarnation,
    } as const;
    const answer = { ...accepted, to: cluster.server('a').incarnation, stream, full: false };
    cluster.feed('a', (leader) => leader.step('c', { ...answer, match: 7 }));
    cluster.settle();
    expect(c.log.lastIndex).toBe(5);
    expect(requests()).toMatchObject([
      { peer: 'c', stream },
      { peer: 'c', stream },
    ]);
    expect(raft.peers?.get('c')).toMatchObject({ state: 'snapshot', match: 7 });
    // The peer has reached the base of the log, so it receives entries instead of another snapshot.
    cluster.feed('a', (leader) => leader.step('c', { ...answer, match: 8 }));
    expect(raft.peers?.get('c')).toMatchObject({ state: 'replicate', match: 8 });
    expect(requests()).toHaveLength(2);
  });
});
