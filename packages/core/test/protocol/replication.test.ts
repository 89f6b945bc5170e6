import { describe, expect, it } from 'vitest';
import type { Entry } from '@kontiki/core';
import type { Append } from '@kontiki/core/protocol';
import { command, Scenario } from '@kontiki/testing';

const text = (entry: Entry): string => (entry.kind === 'command' ? new TextDecoder().decode(entry.data) : entry.kind);

/** An append as a leader of `term` would send it to a server that has never heard it. */
function append(term: number, prevIndex: number, prevTerm: number, entries: Entry[], committed = 0): Append {
  return { kind: 'append', term, incarnation: 1, stream: 1, prevIndex, prevTerm, committed, entries };
}

describe('replication', () => {
  it('sends at once, commits by a durable majority, and tells the followers, without a heartbeat (go-raft P1)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    const before = cluster.now;
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.now).toBe(before);
    for (const id of ['a', 'b', 'c']) expect(cluster.server(id).applied.map(text)).toEqual(['membership', 'noop', 'x']);
  });

  it('the leader counts itself only when its own disk has the entry (mutant 3)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.stall('a');
    cluster.crash('c');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('b').log.durable).toBe(3);
    expect(cluster.raft('a').log.committed).toBe(2);
    cluster.unstall('a');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
  });

  it('followers alone commit while the leader’s own disk is slow, and it applies nothing before its own disk has it', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.stall('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    expect(cluster.raft('a').log.applied).toBe(2);
    expect(cluster.raft('b').log.applied).toBe(3);
  });

  it.each([2, 4, 6])('%i servers need more than half (go-raft S4)', (size) => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, size);
    const cluster = new Scenario(ids);
    cluster.elect('a');
    for (const id of ids.slice(size / 2)) cluster.isolate(id);
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(2);
    cluster.heal();
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.raft('a').log.committed).toBe(3);
  });

  it('acknowledges nothing before it is durable, not even a duplicate (row 49)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.stall('b');
    const message = append(2, 1, 1, [command(2, 2)]);
    cluster.forge('a', 'b', message);
    cluster.forge('a', 'b', message);
    cluster.forge('a', 'b', append(2, 2, 2, []));
    const accepted = (): unknown[] => cluster.underWay.filter(({ message: m }) => m.kind === 'appendAccepted');
    expect(accepted()).toEqual([]);
    cluster.write('b');
    expect(accepted()).toHaveLength(3);
  });

  it('a late, short or empty append erases nothing (go-raft S3; rows 27, 29)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.forge('a', 'b', append(2, 1, 1, [command(2, 2), command(3, 2), command(4, 2)]));
    cluster.writeAll('b');
    cluster.drop();
    cluster.forge('a', 'b', append(2, 1, 1, [command(2, 2)]));
    cluster.forge('a', 'b', append(2, 1, 1, []));
    cluster.writeAll('b');
    expect(cluster.terms('b')).toEqual([1, 2, 2, 2]);
    // And what it acknowledges is what the message verified, not where its log happens to end.
    expect(cluster.underWay.map(({ message }) => (message as { match?: number }).match)).toEqual([2, 1]);
  });

  it('commits only up to what the append verified (row 31)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.startWith('b', [2, 2, 2]);
    cluster.forge('a', 'b', append(3, 2, 2, [], 4));
    expect(cluster.raft('b').log.committed).toBe(2);
  });

  it('an append whose predecessor is missing or of another term is rejected and commits nothing (rows 30, 39)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.startWith('b', [2]);
    cluster.forge('a', 'b', append(3, 3, 3, [], 3));
    cluster.forge('a', 'b', append(3, 2, 3, [], 2));
    cluster.writeAll('b');
    expect(cluster.underWay.map(({ message }) => message.kind)).toEqual(['appendRejected', 'appendRejected']);
    expect(cluster.raft('b').log.committed).toBe(1);
  });

  it('replaces uncommitted entries of another term, never committed ones', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.forge('a', 'b', append(2, 1, 1, [command(2, 2), command(3, 2)], 2));
    cluster.writeAll('b');
    cluster.forge('c', 'b', append(3, 2, 2, [command(3, 3, 'new')], 3));
    cluster.writeAll('b');
    expect(cluster.server('b').applied.map(text)).toEqual(['membership', '2/2', 'new']);
    // Something that contradicts what is committed cannot come from a rightful leader: it is dropped and reported.
    cluster.drop();
    cluster.forge('a', 'b', append(4, 2, 2, [command(3, 4)]));
    cluster.writeAll('b');
    expect(cluster.terms('b')).toEqual([1, 2, 3]);
    expect(cluster.underWay.filter(({ message }) => message.kind.startsWith('append'))).toEqual([]);
    expect(cluster.server('b').reports).toContainEqual({ kind: 'divergedBelowCommit', peer: 'a', index: 3 });
  });

  it('an append of its own term at a leader is dropped and reported (go-raft S10)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.forge('b', 'a', append(2, 1, 1, [command(2, 2)]));
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.server('a').reports).toContainEqual({ kind: 'secondLeader', peer: 'b' });
  });

  it('acknowledgements that say nonsense are dropped and reported (go-raft L4)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    const { stream } = cluster.raft('a').peers?.get('b') ?? { stream: 0 };
    const to = cluster.server('a').incarnation;
    const incarnation = cluster.server('b').incarnation;
    cluster.forge('b', 'a', { kind: 'appendAccepted', term: 2, incarnation, to, stream, match: 99, full: false });
    expect(cluster.server('a').reports).toContainEqual({ kind: 'ackBeyondLog', peer: 'b', index: 99 });
    expect(cluster.raft('a').log.committed).toBe(2);
  });

  it('a new life of a peer begins anew: what an earlier one acknowledged does not count (row 36, design: incarnations)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    const { stream } = cluster.raft('a').peers?.get('b') ?? { stream: 0 };
    const old = cluster.server('b').incarnation;
    cluster.crash('b');
    cluster.start('b');
    cluster.elapse(2 * cluster.timings.heartbeat);
    const progress = cluster.raft('a').peers?.get('b');
    expect(progress?.stream).toBeGreaterThan(stream);
    expect(progress?.incarnation).toBe(cluster.server('b').incarnation);
    // A late word of the earlier life, even with the new stream's number, is not taken for the new one's.
    cluster.isolate('b');
    cluster.propose('a', 'y');
    const to = cluster.server('a').incarnation;
    cluster.forge('b', 'a', { kind: 'appendAccepted', term: 2, incarnation: old, to, stream, match: 4, full: false });
    expect(cluster.raft('a').peers?.get('b')?.match).toBe(3);
  });

  it('a window lost whole is sent again, with the heartbeat (etcd#14633, row 44)', () => {
    const cluster = new Scenario(['a', 'b'], { limits: { messageBytes: 1, windowMessages: 8 } });
    cluster.elect('a');
    cluster.cut('a', 'b');
    for (let i = 0; i < 30; i += 1) cluster.propose('a', `${i}`);
    cluster.settle();
    expect(cluster.raft('a').peers?.get('b')?.window.full).toBe(true);
    cluster.heal();
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.raft('b').log.committed).toBe(32);
  });

  it('bounds what is in flight to a silent peer, in messages and in bytes (row 45)', () => {
    const cluster = new Scenario(['a', 'b', 'c'], {
      limits: { messageBytes: 500, windowMessages: 64, windowBytes: 2_000 },
    });
    cluster.elect('a');
    cluster.isolate('c');
    const before = cluster.sent.length;
    for (let i = 0; i < 200; i += 1) cluster.propose('a', 'x'.repeat(400));
    cluster.settle();
    const sent = cluster.sent.slice(before).filter(({ to, message }) => to === 'c' && message.kind === 'append');
    expect(sent.length).toBeLessThanOrEqual(5);
    expect(cluster.raft('a').log.committed).toBe(202);
  });

  it('rounds of reads do not send probes again: a heartbeat interval does', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('c');
    cluster.propose('a', 'x');
    cluster.settle();
    cluster.heal();
    cluster.stall('c');
    const before = cluster.sent.length;
    for (let i = 0; i < 100; i += 1) {
      cluster.read('a');
      cluster.settle();
    }
    const appends = cluster.sent.slice(before).filter(({ to, message }) => to === 'c' && message.kind === 'append');
    expect(appends.length).toBeLessThanOrEqual(2);
  });

  it('duplicated acknowledgements and rejections cause no sends and move nothing back (rows 28, 45)', () => {
    const cluster = new Scenario(['a', 'b']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    const progress = cluster.raft('a').peers?.get('b');
    const incarnation = cluster.server('b').incarnation;
    const to = cluster.server('a').incarnation;
    const stream = progress?.stream ?? 0;
    for (let i = 0; i < 10; i += 1) {
      cluster.forge('b', 'a', { kind: 'appendAccepted', term: 2, incarnation, to, stream, match: 2, full: false });
      cluster.forge('b', 'a', {
        kind: 'appendRejected',
        term: 2,
        incarnation,
        to,
        stream,
        prevIndex: 2,
        hintIndex: 1,
        hintTerm: 1,
        blank: false,
        full: false,
      });
    }
    expect(cluster.underWay).toEqual([]);
    expect(progress?.match).toBe(3);
  });

  it('entries that left memory come back from the store, and only under the leadership that asked for them', () => {
    const cluster = new Scenario(['a', 'b', 'c'], { limits: { tailBytes: 0, messageBytes: 200 } });
    cluster.elect('a');
    cluster.isolate('c');
    for (let i = 0; i < 20; i += 1) cluster.propose('a', `${i}`);
    cluster.settle();
    expect(cluster.raft('a').log.heldBytes).toBe(0);
    cluster.heal();
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.server('c').applied.map(text)).toEqual(cluster.server('a').applied.map(text));
    // A load asked for in one term and answered in another is dropped.
    cluster.isolate('c');
    for (let i = 0; i < 5; i += 1) cluster.propose('a', `more ${i}`);
    cluster.elapse(cluster.timings.heartbeat);
    cluster.heal();
    cluster.raiseTerm('a', 9);
    cluster.drop();
    cluster.feed('a', (r) => r.pageRead({ peer: 'c', from: 23, to: 27, maxBytes: 200 }, [command(23, 2)]));
    expect(cluster.underWay).toEqual([]);
  });

  it('refuses proposals above the limit of uncommitted bytes, and always admits one (row 128)', () => {
    const cluster = new Scenario(['a', 'b', 'c'], { limits: { uncommittedBytes: 1_000 } });
    cluster.elect('a');
    cluster.isolate('a');
    expect(cluster.propose('a', 'x'.repeat(5_000))).toMatchObject({ index: 3 });
    expect(cluster.propose('a', 'y')).toBe('overloaded');
    cluster.heal();
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(cluster.propose('a', 'y')).toMatchObject({ index: 4 });
    expect(cluster.propose('b', 'z')).toBe('notLeader');
  });

  it('a leader whose own disk is slow refuses proposals before they fill its memory, though others commit them', () => {
    const cluster = new Scenario(['a', 'b', 'c'], { limits: { undurableBytes: 1_000 } });
    cluster.elect('a');
    cluster.stall('a');
    expect(cluster.propose('a', 'x'.repeat(900))).toMatchObject({ index: 3 });
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    expect(cluster.propose('a', 'y'.repeat(100))).toBe('overloaded');
    cluster.unstall('a');
    cluster.settle();
    expect(cluster.propose('a', 'y')).toMatchObject({ index: 4 });
  });

  it('a full follower drops appends unacknowledged and gets none until it has room; then it catches up', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.feed('b', (raft) => raft.setFull(true));
    cluster.propose('a', 'x');
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.raft('b').log.lastIndex).toBe(2);
    expect(cluster.raft('a').log.committed).toBe(3);
    expect(cluster.raft('a').peers?.get('b')?.full).toBe(true);
    cluster.feed('b', (raft) => raft.setFull(false));
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.raft('b').log.committed).toBe(3);
  });

  it('a full leader steps down if a quorum of others has room, else it leads on and refuses proposals', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.feed('b', (raft) => raft.setFull(true));
    cluster.elapse(2 * cluster.timings.heartbeat);
    cluster.feed('a', (raft) => raft.setFull(true));
    cluster.elapse(2 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.propose('a', 'x')).toBe('diskFull');
    const ticket = cluster.read('a');
    cluster.settle();
    expect(cluster.answer('a', ticket)).toBe(2);
    cluster.feed('b', (raft) => raft.setFull(false));
    cluster.elapse(6 * cluster.timings.election);
    expect(cluster.leaders).toHaveLength(1);
    expect(cluster.leaders).not.toContain('a');
  });
});
