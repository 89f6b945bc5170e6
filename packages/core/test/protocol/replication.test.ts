import { describe, expect, it } from 'vitest';
import type { Append, Entry } from '@kontiki/core';
import { Cluster, command, timings } from './cluster.js';

const text = (entry: Entry): string => (entry.kind === 'command' ? new TextDecoder().decode(entry.data) : entry.kind);

function terms(cluster: Cluster, id: string): number[] {
  return cluster.get(id).disk.entries.map((entry) => entry.term);
}

/** Puts a log on a server's disk, from index 2 on, and starts it from there. */
function withLog(cluster: Cluster, id: string, entryTerms: readonly number[]): void {
  const { disk } = cluster.get(id);
  disk.entries = [disk.entries[0] as Entry, ...entryTerms.map((term, i) => command(i + 2, term))];
  disk.ballot = { term: Math.max(1, ...entryTerms), votedFor: undefined };
  cluster.start(id);
}

/** An append as a leader of `term` would send it to a server that has never heard it. */
function append(term: number, prevIndex: number, prevTerm: number, entries: Entry[], committed = 0): Append {
  return { kind: 'append', term, incarnation: 1, session: 1, prevIndex, prevTerm, committed, entries };
}

describe('replication', () => {
  it('sends at once, commits by a durable majority, and tells the followers, without a heartbeat (go-raft P1)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    const before = cluster.now;
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.now).toBe(before);
    for (const id of ['a', 'b', 'c']) expect(cluster.get(id).applied.map(text)).toEqual(['membership', 'noop', 'x']);
  });

  it('the leader counts itself only when its own disk has the entry (mutant 3)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.stalled.add('a');
    cluster.crash('c');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('b').log.durable).toBe(3);
    expect(cluster.raft('a').log.committed).toBe(2);
    cluster.stalled.clear();
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
  });

  it('followers alone commit while the leader’s own disk is slow, and it applies nothing before its own disk has it', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.stalled.add('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    expect(cluster.raft('a').log.applied).toBe(2);
    expect(cluster.raft('b').log.applied).toBe(3);
  });

  it.each([2, 4, 6])('%i servers need more than half (go-raft S4)', (size) => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, size);
    const cluster = new Cluster(ids);
    cluster.elect('a');
    for (const id of ids.slice(size / 2)) cluster.isolate(id);
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(2);
    cluster.heal();
    cluster.elapse(3 * timings.heartbeat);
    expect(cluster.raft('a').log.committed).toBe(3);
  });

  it('acknowledges nothing before it is durable, not even a duplicate (row 49)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.stalled.add('b');
    const message = append(2, 1, 1, [command(2, 2)]);
    cluster.step('a', 'b', message);
    cluster.step('a', 'b', message);
    cluster.step('a', 'b', append(2, 2, 2, []));
    const accepted = (): unknown[] => cluster.net.filter(({ message: m }) => m.kind === 'appendAccepted');
    expect(accepted()).toEqual([]);
    cluster.write('b');
    expect(accepted()).toHaveLength(1);
  });

  it('a late, short or empty append erases nothing (go-raft S3; rows 27, 29)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.step('a', 'b', append(2, 1, 1, [command(2, 2), command(3, 2), command(4, 2)]));
    while (cluster.write('b'));
    cluster.net.length = 0;
    cluster.step('a', 'b', append(2, 1, 1, [command(2, 2)]));
    cluster.step('a', 'b', append(2, 1, 1, []));
    while (cluster.write('b'));
    expect(terms(cluster, 'b')).toEqual([1, 2, 2, 2]);
    // And what it acknowledges is what the message verified, not where its log happens to end.
    expect(cluster.net.map(({ message }) => (message as { match?: number }).match)).toEqual([2, 1]);
  });

  it('commits only up to what the append verified (row 31)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    withLog(cluster, 'b', [2, 2, 2]);
    cluster.step('a', 'b', append(3, 2, 2, [], 4));
    expect(cluster.raft('b').log.committed).toBe(2);
  });

  it('an append whose predecessor is missing or of another term is rejected and commits nothing (rows 30, 39)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    withLog(cluster, 'b', [2]);
    cluster.step('a', 'b', append(3, 3, 3, [], 3));
    cluster.step('a', 'b', append(3, 2, 3, [], 2));
    while (cluster.write('b'));
    expect(cluster.net.map(({ message }) => message.kind)).toEqual(['appendRejected', 'appendRejected']);
    expect(cluster.raft('b').log.committed).toBe(1);
  });

  it('replaces uncommitted entries of another term, never committed ones', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.step('a', 'b', append(2, 1, 1, [command(2, 2), command(3, 2)], 2));
    while (cluster.write('b'));
    cluster.step('c', 'b', append(3, 2, 2, [command(3, 3, 'new')], 3));
    while (cluster.write('b'));
    expect(cluster.get('b').applied.map(text)).toEqual(['membership', '2/2', 'new']);
    // Something that contradicts what is committed cannot come from a rightful leader: it is dropped and reported.
    cluster.net.length = 0;
    cluster.step('a', 'b', append(4, 2, 2, [command(3, 4)]));
    while (cluster.write('b'));
    expect(terms(cluster, 'b')).toEqual([1, 2, 3]);
    expect(cluster.net.filter(({ message }) => message.kind.startsWith('append'))).toEqual([]);
    expect(cluster.get('b').reports).toContainEqual({ kind: 'divergedBelowCommit', peer: 'a', index: 3 });
  });

  it('an append of its own term at a leader is dropped and reported (go-raft S10)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.step('b', 'a', append(2, 1, 1, [command(2, 2)]));
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.get('a').reports).toContainEqual({ kind: 'secondLeader', peer: 'b' });
  });

  it('acknowledgements that say nonsense are dropped and reported (go-raft L4)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    const { session } = cluster.raft('a').peers?.get('b') ?? { session: 0 };
    const to = cluster.get('a').incarnation;
    const incarnation = cluster.get('b').incarnation;
    cluster.step('b', 'a', { kind: 'appendAccepted', term: 2, incarnation, to, session, match: 99, full: false });
    expect(cluster.get('a').reports).toContainEqual({ kind: 'ackBeyondLog', peer: 'b', index: 99 });
    expect(cluster.raft('a').log.committed).toBe(2);
  });

  it('a new life of a peer begins anew: what an earlier one acknowledged does not count (row 36, design: incarnations)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    const { session } = cluster.raft('a').peers?.get('b') ?? { session: 0 };
    const old = cluster.get('b').incarnation;
    cluster.crash('b');
    cluster.start('b');
    cluster.elapse(2 * timings.heartbeat);
    const progress = cluster.raft('a').peers?.get('b');
    expect(progress?.session).toBeGreaterThan(session);
    expect(progress?.incarnation).toBe(cluster.get('b').incarnation);
    // A late word of the earlier life, even with the new session's number, is not taken for the new one's.
    cluster.isolate('b');
    cluster.propose('a', 'y');
    const to = cluster.get('a').incarnation;
    cluster.step('b', 'a', { kind: 'appendAccepted', term: 2, incarnation: old, to, session, match: 4, full: false });
    expect(cluster.raft('a').peers?.get('b')?.match).toBe(3);
  });

  it('a window lost whole is sent again, with the heartbeat (etcd#14633, row 44)', () => {
    const cluster = new Cluster(['a', 'b'], { limits: { messageBytes: 1, windowMessages: 8 } });
    cluster.elect('a');
    cluster.cut('a', 'b');
    for (let i = 0; i < 30; i += 1) cluster.propose('a', `${i}`);
    cluster.settle();
    expect(cluster.raft('a').peers?.get('b')?.window.full).toBe(true);
    cluster.heal();
    cluster.elapse(4 * timings.heartbeat);
    expect(cluster.raft('b').log.committed).toBe(32);
  });

  it('bounds what is in flight to a silent peer, in messages and in bytes (row 45)', () => {
    const cluster = new Cluster(['a', 'b', 'c'], {
      limits: { messageBytes: 500, windowMessages: 64, windowBytes: 2_000 },
    });
    cluster.elect('a');
    cluster.isolate('c');
    cluster.net.length = 0;
    let sent = 0;
    cluster.watch = (server, output) => {
      if (server.id !== 'a') return;
      for (const message of output.messages.get('c') ?? []) sent += message.kind === 'append' ? 1 : 0;
    };
    for (let i = 0; i < 200; i += 1) cluster.propose('a', 'x'.repeat(400));
    cluster.settle();
    expect(sent).toBeLessThanOrEqual(5);
    expect(cluster.raft('a').log.committed).toBe(202);
  });

  it('rounds of reads do not send probes again: a heartbeat interval does', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.isolate('c');
    cluster.propose('a', 'x');
    cluster.settle();
    cluster.heal();
    cluster.stalled.add('c');
    let appends = 0;
    cluster.watch = (server, output) => {
      const sent = output.messages.get('c') ?? [];
      if (server.id === 'a') appends += sent.filter(({ kind }) => kind === 'append').length;
    };
    for (let i = 0; i < 100; i += 1) {
      cluster.feed('a', (raft) => raft.read());
      cluster.settle();
    }
    expect(appends).toBeLessThanOrEqual(2);
  });

  it('duplicated acknowledgements and rejections cause no sends and move nothing back (rows 28, 45)', () => {
    const cluster = new Cluster(['a', 'b']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    const progress = cluster.raft('a').peers?.get('b');
    const incarnation = cluster.get('b').incarnation;
    const to = cluster.get('a').incarnation;
    const session = progress?.session ?? 0;
    for (let i = 0; i < 10; i += 1) {
      cluster.step('b', 'a', { kind: 'appendAccepted', term: 2, incarnation, to, session, match: 2, full: false });
      cluster.step('b', 'a', {
        kind: 'appendRejected',
        term: 2,
        incarnation,
        to,
        session,
        prevIndex: 2,
        hintIndex: 1,
        hintTerm: 1,
        blank: false,
        full: false,
      });
    }
    expect(cluster.net).toEqual([]);
    expect(progress?.match).toBe(3);
  });

  it('entries that left memory come back from the store, and only under the leadership that asked for them', () => {
    const cluster = new Cluster(['a', 'b', 'c'], { limits: { tailBytes: 0, messageBytes: 200 } });
    cluster.elect('a');
    cluster.isolate('c');
    for (let i = 0; i < 20; i += 1) cluster.propose('a', `${i}`);
    cluster.settle();
    expect(cluster.raft('a').log.heldBytes).toBe(0);
    cluster.heal();
    cluster.elapse(4 * timings.heartbeat);
    expect(cluster.get('c').applied.map(text)).toEqual(cluster.get('a').applied.map(text));
    // A load asked for in one term and answered in another is dropped.
    cluster.isolate('c');
    for (let i = 0; i < 5; i += 1) cluster.propose('a', `more ${i}`);
    cluster.elapse(timings.heartbeat);
    cluster.heal();
    const { raft } = cluster.get('a');
    raft.follow(9, undefined);
    cluster.pump('a');
    cluster.net.length = 0;
    cluster.feed('a', (r) => r.loaded({ peer: 'c', from: 23, to: 27, maxBytes: 200 }, [command(23, 2)]));
    expect(cluster.net).toEqual([]);
  });

  it('refuses proposals above the limit of uncommitted bytes, and always admits one (row 128)', () => {
    const cluster = new Cluster(['a', 'b', 'c'], { limits: { uncommittedBytes: 1_000 } });
    cluster.elect('a');
    cluster.isolate('a');
    expect(cluster.propose('a', 'x'.repeat(5_000))).toMatchObject({ index: 3 });
    expect(cluster.propose('a', 'y')).toBe('overloaded');
    cluster.heal();
    cluster.elapse(2 * timings.heartbeat);
    expect(cluster.propose('a', 'y')).toMatchObject({ index: 4 });
    expect(cluster.propose('b', 'z')).toBe('notLeader');
  });

  it('a leader whose own disk is slow refuses proposals before they fill its memory, though others commit them', () => {
    const cluster = new Cluster(['a', 'b', 'c'], { limits: { undurableBytes: 1_000 } });
    cluster.elect('a');
    cluster.stalled.add('a');
    expect(cluster.propose('a', 'x'.repeat(900))).toMatchObject({ index: 3 });
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    expect(cluster.propose('a', 'y'.repeat(100))).toBe('overloaded');
    cluster.stalled.delete('a');
    cluster.settle();
    expect(cluster.propose('a', 'y')).toMatchObject({ index: 4 });
  });

  it('a full follower drops appends unacknowledged and gets none until it has room; then it catches up', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.feed('b', (raft) => raft.setFull(true));
    cluster.propose('a', 'x');
    cluster.elapse(4 * timings.heartbeat);
    expect(cluster.raft('b').log.lastIndex).toBe(2);
    expect(cluster.raft('a').log.committed).toBe(3);
    expect(cluster.raft('a').peers?.get('b')?.full).toBe(true);
    cluster.feed('b', (raft) => raft.setFull(false));
    cluster.elapse(4 * timings.heartbeat);
    expect(cluster.raft('b').log.committed).toBe(3);
  });

  it('a full leader steps down if a quorum of others has room, else it leads on and refuses proposals', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(timings.heartbeat);
    cluster.feed('b', (raft) => raft.setFull(true));
    cluster.elapse(2 * timings.heartbeat);
    cluster.feed('a', (raft) => raft.setFull(true));
    cluster.elapse(2 * timings.election);
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.propose('a', 'x')).toBe('diskFull');
    const ticket = cluster.feed('a', (raft) => raft.read());
    cluster.settle();
    expect(cluster.get('a').reads.has(ticket)).toBe(true);
    cluster.feed('b', (raft) => raft.setFull(false));
    cluster.elapse(6 * timings.election);
    expect(cluster.leaders).toHaveLength(1);
    expect(cluster.leaders).not.toContain('a');
  });
});

describe('the paper’s figures', () => {
  // Figure 7: the leader's log against six followers' that miss entries, have extra ones, or both.
  const leaderTerms = [1, 1, 4, 4, 5, 5, 6, 6, 6];
  it.each([
    ['a', [1, 1, 4, 4, 5, 5, 6, 6]],
    ['b', [1, 1, 4]],
    ['c', [1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ['d', [1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ['e', [1, 1, 4, 4, 4, 4]],
    ['f', [1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])('Figure 7 (%s): the follower ends with the leader’s log', (_name, follower) => {
    const cluster = new Cluster(['l', 'x', 'y']);
    withLog(cluster, 'l', leaderTerms);
    withLog(cluster, 'x', follower);
    withLog(cluster, 'y', [1]);
    cluster.get('l').disk.ballot = { term: 7, votedFor: undefined };
    cluster.start('l');
    // x may be the more up to date one: then y's vote decides.
    cluster.elect('l');
    cluster.elapse(3 * timings.heartbeat);
    expect(cluster.leaders).toEqual(['l']);
    expect(terms(cluster, 'x')).toEqual([1, ...leaderTerms, 8]);
    expect(terms(cluster, 'y')).toEqual([1, ...leaderTerms, 8]);
  });

  it('Figure 8: an entry of an earlier term on a majority is not committed by counting (row 26)', () => {
    const ids = ['s1', 's2', 's3', 's4', 's5'];
    const figure = (): Cluster => {
      const cluster = new Cluster(ids, { limits: { messageBytes: 1 } });
      // (a), (b): S1 led term 2; S5 led term 3 by S3 and S4 and has another entry at the same place.
      withLog(cluster, 's1', [2]);
      withLog(cluster, 's5', [3]);
      cluster.get('s1').disk.ballot = { term: 3, votedFor: undefined };
      cluster.start('s1');
      cluster.crash('s5');
      return cluster;
    };
    // (c): S1 leads term 4 and brings its entry of term 2 to S2 and S3, but not yet its own noop.
    const cluster = figure();
    cluster.crash('s4');
    cluster.feed('s1', (raft) => raft.askForPreVotes());
    for (let moved = true; moved;) {
      for (const id of ['s1', 's2', 's3']) while (cluster.write(id) || cluster.load(id));
      const at = cluster.net.findIndex(({ to, message: m }) =>
        m.kind === 'append'
          ? m.entries.every((e) => e.term < 4) || cluster.raft(to).log.termAt(m.prevIndex) !== m.prevTerm
          : m.kind !== 'heartbeat',
      );
      moved = at >= 0;
      if (moved) cluster.deliver(cluster.net.splice(at, 1)[0] as never);
    }
    expect(cluster.raft('s1').role).toBe('leader');
    for (const id of ['s1', 's2', 's3']) expect(terms(cluster, id).slice(0, 2)).toEqual([1, 2]); // On a majority, and known to be ...
    expect(['s2', 's3'].map((id) => cluster.raft('s1').peers?.get(id)?.match)).toEqual([2, 2]);
    expect(cluster.raft('s1').log.committed).toBe(1); // ... and not committed by that.
    // (d): S1 crashes; S5 wins with S3 and S4 and replaces the entry everywhere.
    cluster.crash('s1');
    cluster.crash('s2');
    cluster.net.length = 0;
    cluster.start('s4');
    cluster.get('s5').disk.ballot = { term: 5, votedFor: undefined };
    cluster.start('s5');
    cluster.elapseUntil(() => cluster.leaders.includes('s5'));
    cluster.elapse(timings.heartbeat);
    expect(terms(cluster, 's3').slice(0, 2)).toEqual([1, 3]);
    // (e): with an entry of its own term on a majority, the old one is committed, and S5 cannot win any more.
    const other = figure();
    other.elect('s1');
    other.elapse(timings.heartbeat);
    expect(other.raft('s1').log.committed).toBe(3);
    other.start('s5');
    other.crash('s1');
    other.elapseUntil(() => other.leaders.length === 1, 40 * timings.election);
    expect(other.leaders).not.toContain('s5');
  });
});

describe('conflict hints', () => {
  // 1 to 200 conflicting entries over many terms: at most one probe for each differing term (Raft §5.3, row 38).
  const cases = [1, 2, 3, 5, 10, 50, 100, 200].flatMap((length) =>
    [1, 2, 5, length].map((runs) => [length, Math.min(runs, length)] as const),
  );
  it.each(cases)('%i conflicting entries in %i terms', (length, runs) => {
    const cluster = new Cluster(['a', 'b', 'c']);
    const spread = (first: number): number[] =>
      Array.from({ length }, (_, i) => first + 2 * Math.floor((i * runs) / length));
    withLog(cluster, 'a', spread(3)); // Odd terms ...
    withLog(cluster, 'b', spread(2)); // ... against even ones.
    withLog(cluster, 'c', [2]);
    let rejected = 0;
    cluster.watch = (_server, output) => {
      for (const mail of [output.messages, output.afterWrite]) {
        for (const messages of mail.values())
          for (const { kind } of messages) rejected += kind === 'appendRejected' ? 1 : 0;
      }
    };
    cluster.crash('c');
    cluster.feed('a', (raft) => raft.follow(3 + 2 * runs, undefined));
    cluster.elect('a');
    cluster.elapse(2 * timings.heartbeat);
    expect(cluster.leaders).toEqual(['a']);
    expect(terms(cluster, 'b')).toEqual(terms(cluster, 'a'));
    expect(rejected).toBeLessThanOrEqual(runs + 1);
  });
});
