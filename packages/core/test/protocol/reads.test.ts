import { describe, expect, it } from 'vitest';
import { Scenario } from '@kontiki/testing';

describe('linearizable reads', () => {
  it('reads on leaders and followers see everything committed before they started', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    const [leader, follower] = [cluster.read('a'), cluster.read('b')];
    cluster.settle();
    expect(cluster.answer('a', leader)).toBe(3);
    expect(cluster.answer('b', follower)).toBe(3);
  });

  it('a single server answers a read immediately', () => {
    const cluster = new Scenario(['a']);
    cluster.elect('a');
    const ticket = cluster.read('a');
    expect(cluster.answer('a', ticket)).toBe(2);
  });

  it('a restarted single server answers no reads before it commits (bugs.md#59)', () => {
    const cluster = new Scenario(['a']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    cluster.crash('a');
    cluster.server('a').disk.committed = 1; // A store may lose the commit index.
    cluster.start('a');
    cluster.stall('a');
    const early = cluster.read('a');
    cluster.campaign('a');
    // The term and the vote of server `a` are durable, so `a` leads. Its first entry is not durable
    // yet.
    cluster.write('a');
    expect(cluster.raft('a').role).toBe('leader');
    const late = cluster.read('a');
    expect([early, late].map((ticket) => cluster.answer('a', ticket))).toEqual([undefined, undefined]);
    cluster.writeAll('a');
    expect([early, late].map((ticket) => cluster.answer('a', ticket))).toEqual([4, 4]);
  });

  it('a deposed leader does not answer reads (bugs.md#55)', () => {
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
    // Once the partition is healed, the new leader answers the waiting read, which sees the new
    // entries.
    cluster.heal();
    cluster.elapse(4 * cluster.timings.election);
    expect(cluster.answer('a', ticket)).toBeGreaterThanOrEqual(cluster.raft(other).log.committed - 1);
  });

  it('a new leader answers no reads before it commits in its term (bugs.md#54)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    // Server `b` has the entry, but does not know that it is committed. Then `b` is elected.
    cluster.settle({ kind: 'commit' });
    expect(cluster.raft('a').log.committed).toBe(3);
    cluster.drop();
    cluster.crash('a');
    cluster.skip(2 * cluster.timings.election);
    // The no-op of server `b` has not reached any other server yet.
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

  it('replies to heartbeats sent before a read do not confirm it (bugs.md#56)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    // A heartbeat carries the number of the newest heartbeat round. Here, that round belongs to an
    // earlier read.
    const earlier = cluster.read('a');
    cluster.elapse(cluster.timings.heartbeat);
    expect(cluster.answer('a', earlier)).toBe(2);
    cluster.skip(cluster.raft('a').wakeAt - cluster.now);
    cluster.tick('a');
    const heartbeats = cluster.hold();
    const ticket = cluster.read('a');
    const rounds = cluster.hold();
    cluster.release(heartbeats);
    cluster.settle();
    expect(cluster.answer('a', ticket)).toBe(undefined);
    cluster.release(rounds);
    cluster.settle();
    expect(cluster.answer('a', ticket)).toBe(2);
  });

  it('one round of heartbeats confirms all waiting reads', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    const before = cluster.sent.length;
    for (let i = 0; i < 100; i += 1) cluster.read('a');
    cluster.settle();
    expect(cluster.answer('a', 100)).toBe(2);
    const heartbeats = cluster.sent.slice(before).filter(({ message }) => message.kind === 'heartbeat');
    // Two peers receive one round of heartbeats for the first read, and one round for the 99 reads
    // that arrived in the meantime.
    expect(heartbeats).toHaveLength(4);
  });

  it("a reply to a follower's earlier incarnation does not answer reads (bugs.md#57)", () => {
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

  it('lost read requests, replies and rounds are resent', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    const [leader, follower] = [cluster.read('a'), cluster.read('b')];
    cluster.drop();
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.answer('a', leader)).toBe(2);
    expect(cluster.answer('b', follower)).toBe(2);
  });

  it('a read started under a crashed leader is answered by the next leader', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.heartbeat);
    cluster.crash('a');
    const ticket = cluster.read('b');
    cluster.elapseUntil(() => cluster.answer('b', ticket) !== undefined);
  });
});
