import { describe, expect, it } from 'vitest';
import type { Entry } from '@kontiki/core';
import type { Append } from '@kontiki/core/protocol';
import { command, Scenario } from '@kontiki/testing';

const text = (entry: Entry): string => (entry.kind === 'command' ? new TextDecoder().decode(entry.data) : entry.kind);

/** Returns an append from a leader of `term`, in the leader's first stream. */
function append(term: number, prevIndex: number, prevTerm: number, entries: Entry[], committed = 0): Append {
  return { kind: 'append', term, incarnation: 1, stream: 1, prevIndex, prevTerm, committed, entries };
}

describe('replication', () => {
  it('a command commits on all servers without waiting for a heartbeat (bugs.md#p1)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    const before = cluster.now;
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.now).toBe(before);
    for (const id of ['a', 'b', 'c']) expect(cluster.server(id).applied.map(text)).toEqual(['membership', 'noop', 'x']);
  });

  it('a leader counts itself only after the entry is on its own disk (bugs.md#48)', () => {
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

  it('a leader with a slow disk commits with its followers but applies later', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.stall('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    expect(cluster.raft('a').log.applied).toBe(2);
    expect(cluster.raft('b').log.applied).toBe(3);
  });

  it.each([2, 4, 6])('a cluster of %i servers commits only with a majority (bugs.md#s4)', (size) => {
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

  it('a follower acknowledges only durable entries, even if appends are duplicated (bugs.md#49)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.stall('b');
    const message = append(2, 1, 1, [command(2, 2)]);
    cluster.forge('a', 'b', message);
    cluster.forge('a', 'b', message);
    cluster.forge('a', 'b', append(2, 2, 2, []));
    const accepted = (): unknown[] => cluster.underWay.filter(({ message: m }) => m.kind === 'appendAccepted');
    expect(accepted()).toEqual([]);
    cluster.write('b');
    // One reply is enough for all three appends, because it also acknowledges the other two.
    expect(accepted()).toEqual([expect.objectContaining({ message: expect.objectContaining({ match: 2 }) })]);
  });

  it('a late, short or empty append does not truncate the log (bugs.md#s3, bugs.md#27)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.forge('a', 'b', append(2, 1, 1, [command(2, 2), command(3, 2), command(4, 2)]));
    cluster.writeAll('b');
    cluster.drop();
    cluster.forge('a', 'b', append(2, 1, 1, [command(2, 2)]));
    cluster.forge('a', 'b', append(2, 1, 1, []));
    cluster.writeAll('b');
    expect(cluster.terms('b')).toEqual([1, 2, 2, 2]);
    // The follower acknowledges the entries that each append verified, not the end of its log.
    // bugs.md#29
    expect(cluster.underWay.map(({ message }) => (message as { match?: number }).match)).toEqual([2, 1]);
  });

  it('a follower commits only entries that an append has verified (bugs.md#31)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.startWith('b', [2, 2, 2]);
    cluster.forge('a', 'b', append(3, 2, 2, [], 4));
    expect(cluster.raft('b').log.committed).toBe(2);
  });

  it('a follower rejects an append whose previous entry is missing or different (bugs.md#39)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.startWith('b', [2]);
    cluster.forge('a', 'b', append(3, 3, 3, [], 3));
    cluster.forge('a', 'b', append(3, 2, 3, [], 2));
    cluster.writeAll('b');
    expect(cluster.underWay.map(({ message }) => message.kind)).toEqual(['appendRejected', 'appendRejected']);
    expect(cluster.raft('b').log.committed).toBe(1); // bugs.md#30
  });

  it('a follower replaces uncommitted entries but no committed entries (bugs.md#52)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.forge('a', 'b', append(2, 1, 1, [command(2, 2), command(3, 2)], 2));
    cluster.writeAll('b');
    cluster.forge('c', 'b', append(3, 2, 2, [command(3, 3, 'new')], 3));
    cluster.writeAll('b');
    expect(cluster.server('b').applied.map(text)).toEqual(['membership', '2/2', 'new']);
    // No legitimate leader sends an append that contradicts a committed entry, so the server stops.
    expect(() => cluster.forge('a', 'b', append(4, 2, 2, [command(3, 4)]))).toThrow(
      expect.objectContaining({ code: 'KONTIKI_CONTRADICTION' }),
    );
    expect(cluster.terms('b')).toEqual([1, 2, 3]);
  });

  it("a leader drops and reports another leader's append in its own term (bugs.md#s10)", () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.forge('b', 'a', append(2, 1, 1, [command(2, 2)]));
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.server('a').reports).toContainEqual({ kind: 'secondLeader', peer: 'b' });
  });

  it('a leader drops and reports an acknowledgement beyond its log (bugs.md#l4)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    const { stream } = cluster.raft('a').peers?.get('b') ?? { stream: 0 };
    const to = cluster.server('a').incarnation;
    const incarnation = cluster.server('b').incarnation;
    cluster.forge('b', 'a', { kind: 'appendAccepted', term: 2, incarnation, to, stream, match: 99, full: false });
    expect(cluster.server('a').reports).toContainEqual({ kind: 'ackBeyondLog', peer: 'b', index: 99 });
    expect(cluster.raft('a').log.committed).toBe(2);
  });

  it("acknowledgements from a peer's earlier incarnation do not count (bugs.md#36)", () => {
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
    // A late acknowledgement from the earlier incarnation does not count, even if it carries the
    // number of the new stream.
    cluster.isolate('b');
    cluster.propose('a', 'y');
    const to = cluster.server('a').incarnation;
    cluster.forge('b', 'a', { kind: 'appendAccepted', term: 2, incarnation: old, to, stream, match: 4, full: false });
    expect(cluster.raft('a').peers?.get('b')?.match).toBe(3);
  });

  it('a leader resends a lost window of appends after a heartbeat (bugs.md#44)', () => {
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

  it('a leader limits the bytes in flight to an unresponsive peer (bugs.md#45)', () => {
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

  it('read rounds within a heartbeat interval do not resend a probe', () => {
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

  it('duplicate acknowledgements and rejections cause no messages (bugs.md#28)', () => {
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

  it('a leader sends entries read from its log store only in the same term', () => {
    const cluster = new Scenario(['a', 'b', 'c'], { limits: { tailBytes: 0, messageBytes: 200 } });
    cluster.elect('a');
    cluster.isolate('c');
    for (let i = 0; i < 20; i += 1) cluster.propose('a', `${i}`);
    cluster.settle();
    expect(cluster.raft('a').log.heldBytes).toBe(0);
    cluster.heal();
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.server('c').applied.map(text)).toEqual(cluster.server('a').applied.map(text));
    // A page requested in one term and read in another is dropped. bugs.md#51
    cluster.isolate('c');
    for (let i = 0; i < 5; i += 1) cluster.propose('a', `more ${i}`);
    cluster.elapse(cluster.timings.heartbeat);
    cluster.heal();
    cluster.raiseTerm('a', 9);
    cluster.drop();
    cluster.feed('a', (r) => r.pageRead({ peer: 'c', from: 23, to: 27, maxBytes: 200 }, [command(23, 2)]));
    expect(cluster.underWay).toEqual([]);
  });

  it('a leader refuses all but one proposal beyond uncommittedBytes (bugs.md#128)', () => {
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

  it('a leader with a slow disk refuses proposals beyond undurableBytes (bugs.md#k1)', () => {
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

  it('a follower with a full disk drops appends and catches up when it has room', () => {
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

  it('a leader with a full disk steps down only if a quorum of other servers has room', () => {
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
