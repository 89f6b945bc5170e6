import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const commands = (cluster: Scenario, id: string): string[] =>
  cluster
    .server(id)
    .applied.flatMap((entry) => (entry.kind === 'command' ? [new TextDecoder().decode(entry.data)] : []));

/** a leads term 2 of five, cut off with b, where `texts` are proposed; c leads the others, which have committed "new". */
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

describe('logs that went apart', () => {
  it('a deposed leader’s proposals are replaced, with those of its follower, and applied nowhere', () => {
    const cluster = deposed('lost', 'lost too', 'and this');
    expect(['a', 'b'].map((id) => cluster.raft(id).log.committed)).toEqual([2, 2]);
    cluster.heal();
    cluster.elapse(3 * cluster.timings.heartbeat);
    for (const id of cluster.servers.keys()) {
      expect(cluster.terms(id)).toEqual([1, 2, 3, 3]);
      expect(commands(cluster, id)).toEqual(['new']);
    }
  });

  it('an append of a deposed leader that comes after the next election, or after the next leader’s, changes nothing (rows 27, 53)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.propose('a', 'old');
    const late = cluster.hold({ kind: 'append' });
    expect(late).toHaveLength(2);
    cluster.crash('a');
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('b', { kind: 'append' });
    cluster.release(late); // c has elected b and not heard it yet.
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
  ])(
    'a follower dies while it replaces entries, holds all or nothing of it ($left), and ends right (row 41)',
    ({ keep, left }) => {
      const cluster = deposed('lost', 'lost too');
      cluster.partition(['a'], ['b', 'c', 'd', 'e']);
      cluster.stall('b');
      cluster.elapse(cluster.timings.heartbeat);
      cluster.write('b'); // The new term; now it may say that its entries are others.
      cluster.elapse(cluster.timings.heartbeat);
      cluster.crash('b', keep);
      cluster.unstall('b');
      expect(cluster.terms('b')).toEqual(left);
      cluster.start('b');
      cluster.elapse(4 * cluster.timings.heartbeat);
      expect(cluster.terms('b')).toEqual([1, 2, 3, 3]);
      expect(commands(cluster, 'b')).toEqual(['new']);
    },
  );

  it('a rejection that comes late, and again, moves nothing back and cuts nothing off (row 28)', () => {
    const cluster = deposed('lost', 'lost too');
    cluster.start('c');
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('d'); // It asks for entry 4, where a and b have another one than it has.
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

  it('what a follower acknowledged in an earlier term of the same leader does not count in a later one (rows 36, 51)', () => {
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

  it('a network that turns everything round and says it twice brings the same log (rows 27, 29, 33, 43)', () => {
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
    // Each of 60 entries goes to two peers, is acknowledged and told as committed; the rest is repairs.
    expect(cluster.sent.length).toBeLessThan(60 * 2 * 3 * 2);
  });

  it('what is in memory everywhere is committed nowhere: two of three disks must have it (rows 46, 49)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    for (const id of ['b', 'c']) cluster.stall(id);
    cluster.propose('a', 'x');
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(['a', 'b', 'c'].map((id) => cluster.raft(id).log.lastIndex)).toEqual([3, 3, 3]);
    expect(['a', 'b', 'c'].map((id) => cluster.raft(id).log.committed)).toEqual([2, 2, 2]);
    // Nor is it lost by a leader that lives: its disks come back blank of it, and it is sent again.
    for (const id of ['b', 'c']) {
      cluster.crash(id);
      cluster.unstall(id);
      cluster.start(id);
    }
    cluster.elapse(4 * cluster.timings.heartbeat);
    for (const id of ['a', 'b', 'c']) expect(commands(cluster, id)).toEqual(['x']);
  });

  it('the power of all fails: what was acknowledged is there, whoever comes back first', () => {
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

  it('a leader’s first entry commits everything that earlier terms left, over all of them (row 47)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    for (const id of ['a', 'b']) cluster.startWith(id, [2, 2, 3, 5, 5, 6]);
    cluster.startWith('c', [2, 2, 4, 4], 6);
    cluster.elect('a');
    expect(cluster.raft('a').log.committed).toBe(8);
    cluster.elapse(3 * cluster.timings.heartbeat);
    for (const id of ['a', 'b', 'c']) expect(cluster.terms(id)).toEqual([1, 2, 2, 3, 5, 5, 6, 7]);
  });

  it('a commit index that a follower forgot comes back with the leader’s word, and never goes back by a late one (rows 32, 52)', () => {
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
    cluster.crash('b');
    cluster.server('b').disk.committed = 1; // A store need not remember it.
    cluster.start('b');
    expect(cluster.raft('b').log.committed).toBe(1);
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.raft('b').log.committed).toBe(3);
  });
});
