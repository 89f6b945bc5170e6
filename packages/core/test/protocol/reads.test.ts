import { describe, expect, it } from 'vitest';
import { Scenario } from '@kontiki/testing';

describe('linearizable reads', () => {
  it('at the leader and at a follower, of everything committed before', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    const [leader, follower] = [cluster.read('a'), cluster.read('b')];
    cluster.settle();
    expect(cluster.answer('a', leader)).toBe(3);
    expect(cluster.answer('b', follower)).toBe(3);
  });

  it('a single server answers at once', () => {
    const cluster = new Scenario(['a']);
    cluster.elect('a');
    const ticket = cluster.read('a');
    expect(cluster.answer('a', ticket)).toBe(2);
  });

  it('a single server that has restarted answers none from behind what it acknowledged (row 59)', () => {
    const cluster = new Scenario(['a']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    cluster.crash('a');
    cluster.server('a').disk.committed = 1; // A store need not remember what is committed.
    cluster.start('a');
    cluster.stall('a');
    const early = cluster.read('a');
    cluster.campaign('a');
    cluster.write('a'); // Its term and vote: it leads, and its own entry is not durable yet.
    expect(cluster.raft('a').role).toBe('leader');
    const late = cluster.read('a');
    expect([early, late].map((ticket) => cluster.answer('a', ticket))).toEqual([undefined, undefined]);
    cluster.writeAll('a');
    expect([early, late].map((ticket) => cluster.answer('a', ticket))).toEqual([4, 4]);
  });

  it('a deposed leader serves none (row 55)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.isolate('a');
    const ticket = cluster.read('a');
    cluster.elapseUntil(() => cluster.leaders.some((id) => id !== 'a'));
    const other = cluster.leaders.find((id) => id !== 'a') as string;
    cluster.propose(other, 'new');
    cluster.elapse(cluster.timings.election);
    expect(cluster.answer('a', ticket)).toBe(undefined);
    // Back in the cluster, the read that still waits is served by the new leader, with what was written since.
    cluster.heal();
    cluster.elapse(4 * cluster.timings.election);
    expect(cluster.answer('a', ticket)).toBeGreaterThanOrEqual(cluster.raft(other).log.committed - 1);
  });

  it('after an election none before an entry of the new term is committed (row 54)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    // b has the entry, but not the news that it is committed, and is elected.
    cluster.settle({ kind: 'commit' });
    expect(cluster.raft('a').log.committed).toBe(3);
    cluster.drop();
    cluster.crash('a');
    cluster.skip(2 * cluster.timings.election);
    // The noop of b's term reaches nobody yet.
    const appends = { kind: 'append' } as const;
    cluster.elect('b', appends);
    expect(cluster.raft('b').log.committed).toBe(2);
    const ticket = cluster.read('b');
    cluster.tick('b');
    cluster.settle(appends);
    expect(cluster.answer('b', ticket)).toBe(undefined);
    cluster.elapse(cluster.timings.heartbeat);
    expect(cluster.answer('b', ticket)).toBeGreaterThanOrEqual(3);
  });

  it('answers to heartbeats that left before the read do not confirm it (row 56)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    // Numbers of rounds go on: these heartbeats carry that of an earlier read's.
    const earlier = cluster.read('a');
    cluster.elapse(cluster.timings.heartbeat);
    expect(cluster.answer('a', earlier)).toBe(2);
    cluster.skip(cluster.raft('a').wakeAt - cluster.now);
    cluster.tick('a');
    const beats = cluster.hold();
    const ticket = cluster.read('a');
    const rounds = cluster.hold();
    cluster.release(beats);
    cluster.settle();
    expect(cluster.answer('a', ticket)).toBe(undefined);
    cluster.release(rounds);
    cluster.settle();
    expect(cluster.answer('a', ticket)).toBe(2);
  });

  it('one round serves all reads that wait', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    const before = cluster.sent.length;
    for (let i = 0; i < 100; i += 1) cluster.read('a');
    cluster.settle();
    expect(cluster.answer('a', 100)).toBe(2);
    const beats = cluster.sent.slice(before).filter(({ message }) => message.kind === 'heartbeat');
    expect(beats).toHaveLength(4); // Two peers: the first read's round, and one for the 99 that came meanwhile.
  });

  it('an answer to an earlier life of the asker answers nothing (rows 57, design: incarnations)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.read('b');
    cluster.crash('b');
    cluster.settle({ kind: 'readIndexReply' });
    const late = cluster.hold();
    expect(late).toHaveLength(1);
    cluster.propose('a', 'later');
    cluster.settle();
    cluster.start('b');
    cluster.isolate('b');
    const ticket = cluster.read('b');
    cluster.release(late);
    cluster.deliver();
    expect(cluster.answer('b', ticket)).toBe(undefined);
    cluster.heal();
    cluster.elapse(cluster.timings.election);
    expect(cluster.answer('b', ticket)).toBe(3);
  });

  it('a lost question, answer or round is asked again', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    const [leader, follower] = [cluster.read('a'), cluster.read('b')];
    cluster.drop();
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.answer('a', leader)).toBe(2);
    expect(cluster.answer('b', follower)).toBe(2);
  });

  it('a read that began under a leader that dies is served by the next one', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.crash('a');
    const ticket = cluster.read('b');
    cluster.elapseUntil(() => cluster.answer('b', ticket) !== undefined);
  });
});
