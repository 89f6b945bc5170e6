// Shows that divergent logs converge, and that late messages and crashes lose no committed entry.
// The tests deliver messages one at a time.
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const commands = (cluster: Scenario, id: string): string[] =>
  cluster
    .server(id)
    .applied.flatMap((entry) => (entry.kind === 'command' ? [new TextDecoder().decode(entry.data)] : []));

/**
 * Returns a scenario with five servers. Server `a` led term 2, was cut off together with `b`, and
 * has appended `texts`. Server `c` leads the other servers in term 3 and has committed "new".
 */
function deposed(...texts: string[]): Scenario {
  const cluster = new Scenario(['a', 'b', 'c', 'd', 'e']);
  cluster.elect('a');
  cluster.elapse(cluster.timings.heartbeat);
  cluster.partition(['a', 'b'], ['c', 'd', 'e']);
  for (const text of texts) cluster.propose('a', text);
  cluster.settle();
  cluster.skip(2 * cluster.timings.election);
  cluster.elect('c');
  cluster.propose('c', 'new');
  cluster.settle();
  expect(cluster.raft('c').log.committed).toBe(4);
  return cluster;
}

describe('divergent logs', () => {
  it('proposals of a deposed leader are replaced and never applied', () => {
    const cluster = deposed('lost', 'lost too', 'and this');
    expect(['a', 'b'].map((id) => cluster.raft(id).log.committed)).toEqual([2, 2]);
    cluster.heal();
    cluster.elapse(3 * cluster.timings.heartbeat);
    for (const id of cluster.servers.keys()) {
      expect(cluster.terms(id)).toEqual([1, 2, 3, 3]);
      expect(commands(cluster, id)).toEqual(['new']);
    }
  });

  it('a late append from a deposed leader has no effect (bugs.md#27)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.propose('a', 'old');
    const late = cluster.hold({ kind: 'append' });
    expect(late).toHaveLength(2);
    cluster.crash('a');
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('b', { kind: 'append' });
    cluster.release(late); // Server c has elected b, but received no append from b yet.
    cluster.deliver({ from: 'a' });
    expect(cluster.raft('c').log.lastIndex).toBe(2);
    cluster.propose('b', 'new');
    cluster.settle();
    cluster.release(late);
    cluster.duplicate();
    cluster.settle();
    for (const id of ['b', 'c']) expect(commands(cluster, id)).toEqual(['new']);
  });

  it.each([
    { keep: 0, left: [1, 2, 2, 2] },
    { keep: 1, left: [1, 2, 3, 3] },
  ])('a crash during a replacement leaves the old or new entries: $left (bugs.md#41)', ({ keep, left }) => {
    const cluster = deposed('lost', 'lost too');
    cluster.partition(['a'], ['b', 'c', 'd', 'e']);
    cluster.stall('b');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.write('b'); // The new term is durable, so b may reject the append.
    cluster.elapse(cluster.timings.heartbeat);
    cluster.crash('b', keep);
    cluster.unstall('b');
    expect(cluster.terms('b')).toEqual(left);
    cluster.start('b');
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(cluster.terms('b')).toEqual([1, 2, 3, 3]);
    expect(commands(cluster, 'b')).toEqual(['new']);
  });

  it('late and duplicate rejections have no effect (bugs.md#28)', () => {
    const cluster = deposed('lost', 'lost too');
    cluster.start('c');
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('d'); // Server d sends from entry 4 on, where a and b have other entries.
    cluster.heal();
    cluster.elapse(3 * cluster.timings.heartbeat);
    const rejections = cluster.sent.filter(({ message }) => message.kind === 'appendRejected');
    expect(rejections.map(({ from }) => from).sort()).toEqual(['a', 'b']);
    cluster.propose('d', 'later');
    cluster.settle();
    const before = cluster.sent.length;
    for (let i = 0; i < 3; i += 1) cluster.release(rejections);
    cluster.settle();
    expect(cluster.sent.slice(before)).toEqual([]);
    for (const id of ['a', 'b']) expect(cluster.raft('d').peers?.get(id)?.match).toBe(6);
  });

  it('acknowledgements from an earlier term as leader do not count (bugs.md#36)', () => {
    const cluster = deposed('gone', 'gone too');
    const old = cluster.sent.filter(({ to, message }) => to === 'a' && message.kind === 'appendAccepted');
    cluster.heal();
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.terms('b')).toEqual([1, 2, 3, 3]);
    cluster.isolate('c');
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('a', { kind: 'append' });
    for (let i = 0; i < 3; i += 1) cluster.release(old);
    cluster.deliver({ kind: 'appendAccepted' });
    expect(cluster.raft('a').peers?.get('b')?.match).toBe(0);
    expect(cluster.raft('a').log.committed).toBe(4);
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(5);
    expect(cluster.terms('b')).toEqual([1, 2, 3, 3, 4]);
  });

  it('logs converge even if messages are reversed and duplicated (bugs.md#43)', () => {
    const cluster = new Scenario(['a', 'b', 'c'], { limits: { messageBytes: 1 } });
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    const expected: string[] = [];
    for (let i = 0; i < 20; i += 1) {
      for (const part of ['x', 'y', 'z']) {
        expected.push(`${part}${i}`);
        cluster.propose('a', `${part}${i}`);
      }
      cluster.duplicate();
      cluster.release(cluster.hold().reverse());
      cluster.settle({ from: 'b' });
      cluster.duplicate();
      cluster.release(cluster.hold().reverse());
      cluster.settle();
    }
    cluster.elapse(5 * cluster.timings.heartbeat);
    for (const id of ['a', 'b', 'c']) expect(commands(cluster, id)).toEqual(expected);
    // Each of the 60 entries takes an append, an acknowledgement and a commit message per peer.
    // Allow the same number of messages for repairs.
    expect(cluster.sent.length).toBeLessThan(60 * 2 * 3 * 2);
  });

  it('an entry is not committed while it is only in memory on most servers', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    for (const id of ['b', 'c']) cluster.stall(id);
    cluster.propose('a', 'x');
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(['a', 'b', 'c'].map((id) => cluster.raft(id).log.lastIndex)).toEqual([3, 3, 3]);
    expect(['a', 'b', 'c'].map((id) => cluster.raft(id).log.committed)).toEqual([2, 2, 2]);
    // The crashed followers lose the entry, and the leader sends it again.
    for (const id of ['b', 'c']) {
      cluster.crash(id);
      cluster.unstall(id);
      cluster.start(id);
    }
    cluster.elapse(4 * cluster.timings.heartbeat);
    for (const id of ['a', 'b', 'c']) expect(commands(cluster, id)).toEqual(['x']);
  });

  it('acknowledged commands survive a power failure of all servers', () => {
    for (const away of ['a', 'b', 'c']) {
      const cluster = new Scenario(['a', 'b', 'c']);
      cluster.elect('a');
      cluster.elapse(cluster.timings.heartbeat);
      cluster.stall('c');
      cluster.propose('a', 'x');
      cluster.settle();
      expect(commands(cluster, 'a')).toEqual(['x']);
      for (const id of ['a', 'b', 'c']) cluster.crash(id);
      cluster.unstall('c');
      for (const id of ['a', 'b', 'c']) if (id !== away) cluster.start(id);
      cluster.elapseUntil(() => cluster.leaders.length === 1);
      cluster.elapse(cluster.timings.election);
      expect(commands(cluster, cluster.leaders[0] as string)).toEqual(['x']);
    }
  });

  it("a leader's first entry commits all entries of earlier terms (bugs.md#47)", () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    for (const id of ['a', 'b']) cluster.startWith(id, [2, 2, 3, 5, 5, 6]);
    cluster.startWith('c', [2, 2, 4, 4], 6);
    cluster.elect('a');
    expect(cluster.raft('a').log.committed).toBe(8);
    cluster.elapse(3 * cluster.timings.heartbeat);
    for (const id of ['a', 'b', 'c']) expect(cluster.terms(id)).toEqual([1, 2, 2, 3, 5, 5, 6, 7]);
  });

  it('a late heartbeat does not lower the commit index (bugs.md#32)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.skip(cluster.raft('a').wakeAt - cluster.now);
    cluster.tick('a');
    const late = cluster.hold({ kind: 'heartbeat', to: 'b' });
    expect(late).toHaveLength(1);
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('b').log.committed).toBe(3);
    cluster.release(late);
    cluster.settle();
    expect(cluster.raft('b').log.committed).toBe(3);
  });

  it('a follower that lost its commit index learns the index from the leader', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('b').log.committed).toBe(3);
    cluster.crash('b');
    cluster.server('b').disk.committed = 1; // A store may lose the commit index.
    cluster.start('b');
    expect(cluster.raft('b').log.committed).toBe(1);
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.raft('b').log.committed).toBe(3);
  });
});
