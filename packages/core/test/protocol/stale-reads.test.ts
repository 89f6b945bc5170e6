// Shows that linearizable reads never return stale data after pauses, partitions, restarts and late
// replies. The tests deliver messages one at a time.
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

/** Returns a scenario in which server `a` leads. */
function led(ids: readonly string[] = ['a', 'b', 'c']): Scenario {
  const cluster = new Scenario(ids);
  cluster.elect('a');
  cluster.elapse(cluster.timings.heartbeat);
  return cluster;
}

/** Advances time until another server leads and commits "new". Returns the id of that server. */
function replaced(cluster: Scenario): string {
  cluster.elapseUntil(() => cluster.leaders.some((id) => id !== 'a'));
  const other = cluster.leaders.find((id) => id !== 'a') as string;
  cluster.propose(other, 'new');
  cluster.elapse(cluster.timings.heartbeat);
  expect(cluster.raft(other).log.committed).toBe(4);
  return other;
}

describe('stale reads', () => {
  it('a leader resumed after SIGSTOP serves no stale reads', () => {
    const cluster = led();
    cluster.pause('a');
    const other = replaced(cluster);
    cluster.resume('a');
    expect(cluster.raft('a').role).toBe('leader'); // Server a does not know the new term yet.
    const ticket = cluster.read('a');
    expect(cluster.answer('a', ticket)).toBe(undefined);
    cluster.elapse(2 * cluster.timings.election);
    expect(cluster.leaders).toEqual([other]);
    expect(cluster.answer('a', ticket)).toBe(4);
  });

  it("replies delayed by a leader's pause do not confirm later reads (bugs.md#56)", () => {
    const cluster = led();
    const first = cluster.read('a');
    cluster.deliver({ kind: 'heartbeat' }); // Both followers reply.
    cluster.pause('a'); // Server a is paused before it processes the replies.
    const answers = cluster.hold({ kind: 'heartbeatReply', to: 'a' });
    expect(answers).toHaveLength(2);
    replaced(cluster);
    cluster.drop();
    cluster.resume('a');
    cluster.isolate('a');
    const second = cluster.read('a');
    cluster.release(answers);
    cluster.deliver({ to: 'a' });
    expect(cluster.answer('a', first)).toBe(2); // The read started before another leader was elected.
    expect(cluster.answer('a', second)).toBe(undefined);
  });

  it('replies to heartbeats of an earlier leadership do not confirm reads (bugs.md#57)', () => {
    const cluster = led();
    const first = cluster.read('a');
    cluster.settle();
    expect(cluster.answer('a', first)).toBe(2);
    const old = cluster.sent.filter(({ to, message }) => to === 'a' && message.kind === 'heartbeatReply');
    cluster.isolate('a');
    const other = replaced(cluster);
    cluster.heal();
    cluster.elapse(2 * cluster.timings.heartbeat);
    // Server `a` becomes the leader again and is then cut off again.
    cluster.isolate(other);
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('a');
    cluster.isolate('a');
    const second = cluster.read('a');
    cluster.release(old);
    cluster.duplicate({ kind: 'heartbeatReply' });
    cluster.deliver({ to: 'a', kind: 'heartbeatReply' });
    expect(cluster.answer('a', second)).toBe(undefined);
    cluster.heal();
    cluster.elapse(cluster.timings.election);
    expect(cluster.answer('a', second)).toBeGreaterThanOrEqual(4);
  });

  it('a leader in a minority answers no reads, even after many replies (bugs.md#55)', () => {
    const cluster = led(['a', 'b', 'c', 'd', 'e']);
    cluster.partition(['a', 'b'], ['c', 'd', 'e']);
    const tickets = [cluster.read('a'), cluster.read('b')] as const;
    for (let i = 0; i < 3; i += 1) {
      cluster.settle();
      cluster.duplicate({ kind: 'heartbeatReply' });
      cluster.elapse(cluster.timings.heartbeat);
    }
    expect(cluster.raft('a').role).toBe('leader');
    expect([cluster.answer('a', tickets[0]), cluster.answer('b', tickets[1])]).toEqual([undefined, undefined]);
    replaced(cluster);
    cluster.heal();
    cluster.elapse(3 * cluster.timings.election);
    expect([cluster.answer('a', tickets[0]), cluster.answer('b', tickets[1])]).toEqual([4, 4]);
  });

  it("a late reply to a follower's read does not answer later reads (bugs.md#57)", () => {
    const cluster = led();
    const first = cluster.read('b');
    cluster.settle({ kind: 'readIndexReply' });
    const late = cluster.hold({ kind: 'readIndexReply' });
    expect(late).toHaveLength(1);
    cluster.propose('a', 'x');
    cluster.settle();
    cluster.isolate('b');
    const second = cluster.read('b');
    cluster.release(late);
    cluster.duplicate();
    cluster.deliver();
    expect([cluster.answer('b', first), cluster.answer('b', second)]).toEqual([2, undefined]);
    cluster.heal();
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(cluster.answer('b', second)).toBe(3);
  });

  it('a read reply from a deposed leader does not answer reads in the next term', () => {
    const cluster = led();
    const ticket = cluster.read('b');
    cluster.settle({ kind: 'readIndexReply' });
    const late = cluster.hold({ kind: 'readIndexReply' });
    cluster.isolate('a');
    cluster.skip(2 * cluster.timings.election);
    cluster.elect('c', { kind: 'readIndexReply' });
    cluster.propose('c', 'new');
    cluster.settle({ kind: 'readIndexReply' });
    cluster.release(late);
    cluster.deliver({ from: 'a' });
    expect(cluster.answer('b', ticket)).toBe(undefined);
    cluster.elapse(2 * cluster.timings.heartbeat); // Server b asks c, the new leader.
    expect(cluster.answer('b', ticket)).toBe(4);
  });

  it('a follower serves a read only after the entry is on its own disk (bugs.md#63)', () => {
    const cluster = led();
    cluster.stall('b');
    cluster.propose('a', 'x');
    cluster.settle();
    const ticket = cluster.read('b');
    cluster.settle();
    expect(cluster.answer('b', ticket)).toBe(3);
    expect(cluster.server('b').applied).toHaveLength(2);
    expect(cluster.server('b').reads.count).toBe(1); // The read still waits.
    cluster.unstall('b');
    cluster.settle();
    expect(cluster.server('b').reads.count).toBe(0);
  });

  it('reads after a restart of all servers see acknowledged commands (bugs.md#58)', () => {
    const ids = ['a', 'b', 'c'];
    const cluster = led();
    cluster.propose('a', 'x');
    cluster.settle();
    for (const id of ids) {
      cluster.crash(id);
      cluster.server(id).disk.committed = 1; // A store may lose the commit index.
    }
    for (const id of ids) cluster.start(id);
    const tickets = ids.map((id) => cluster.read(id));
    cluster.settle();
    expect(ids.map((id, i) => cluster.answer(id, tickets[i] as number))).toEqual([undefined, undefined, undefined]);
    cluster.elapseUntil(() => ids.every((id) => cluster.server(id).reads.count === 0));
    for (const [i, id] of ids.entries()) expect(cluster.answer(id, tickets[i] as number)).toBeGreaterThanOrEqual(3);
  });

  it('a new leader answers no reads while it cannot commit (bugs.md#54)', () => {
    const cluster = led();
    cluster.propose('a', 'x');
    cluster.settle({ kind: 'commit' }); // Only server a knows that the entry is committed.
    cluster.crash('a');
    cluster.drop();
    cluster.stall('c');
    cluster.skip(2 * cluster.timings.election);
    cluster.campaign('b');
    cluster.settle();
    // The vote of `c` is durable. The first entry of `b` has reached only the memory of `c`.
    cluster.write('c');
    cluster.settle();
    expect(cluster.leaders).toEqual(['b']);
    const ticket = cluster.read('b');
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(cluster.raft('b').log.committed).toBe(2);
    expect(cluster.answer('b', ticket)).toBe(undefined);
    cluster.unstall('c');
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(cluster.answer('b', ticket)).toBeGreaterThanOrEqual(3);
  });
});
