import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

function led(ids: readonly string[] = ['a', 'b', 'c']): Scenario {
  const cluster = new Scenario(ids);
  cluster.elect('a');
  cluster.elapse(cluster.timings.heartbeat);
  return cluster;
}

/** Somebody else than a is elected and commits "new"; returns who. */
function replaced(cluster: Scenario): string {
  cluster.elapseUntil(() => cluster.leaders.some((id) => id !== 'a'));
  const other = cluster.leaders.find((id) => id !== 'a') as string;
  cluster.propose(other, 'new');
  cluster.elapse(cluster.timings.heartbeat);
  expect(cluster.raft(other).log.committed).toBe(4);
  return other;
}

describe('reads that could be stale', () => {
  it('a leader that stood still (SIGSTOP) answers from before its sleep to nobody (rows 57, 61)', () => {
    const cluster = led();
    cluster.pause('a');
    const other = replaced(cluster);
    cluster.resume('a');
    expect(cluster.raft('a').role).toBe('leader'); // As it thinks.
    const ticket = cluster.read('a');
    expect(cluster.answer('a', ticket)).toBe(undefined);
    cluster.elapse(2 * cluster.timings.election);
    expect(cluster.leaders).toEqual([other]);
    expect(cluster.answer('a', ticket)).toBe(4);
  });

  it('answers that lay in its sockets while it stood still confirm no read that began after (rows 56, 57, 61)', () => {
    const cluster = led();
    const first = cluster.read('a');
    cluster.deliver({ kind: 'heartbeat' }); // Both have answered, ...
    cluster.pause('a'); // ... and it never got to read them.
    const answers = cluster.hold({ kind: 'heartbeatReply', to: 'a' });
    expect(answers).toHaveLength(2);
    replaced(cluster);
    cluster.drop();
    cluster.resume('a');
    cluster.isolate('a');
    const second = cluster.read('a');
    cluster.release(answers);
    cluster.deliver({ to: 'a' });
    expect(cluster.answer('a', first)).toBe(2); // It began before the others went on.
    expect(cluster.answer('a', second)).toBe(undefined);
  });

  it('answers to the heartbeats of its earlier leadership, said again, confirm no read of the present one (row 57)', () => {
    const cluster = led();
    const first = cluster.read('a');
    cluster.settle();
    expect(cluster.answer('a', first)).toBe(2);
    const old = cluster.sent.filter(({ to, message }) => to === 'a' && message.kind === 'heartbeatReply');
    cluster.isolate('a');
    const other = replaced(cluster);
    cluster.heal();
    cluster.elapse(2 * cluster.timings.heartbeat);
    // a leads again, and again without knowing that it is over.
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

  it('a leader with a minority serves none, however often its followers there answer (row 55)', () => {
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

  it('a late answer to a follower’s read serves that one, and none that began after (row 57)', () => {
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

  it('an answer of a leader that is deposed meanwhile serves nobody in the next one’s term (row 55)', () => {
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
    cluster.elapse(2 * cluster.timings.heartbeat); // It is asked again, of c.
    expect(cluster.answer('b', ticket)).toBe(4);
  });

  it('a follower that has not written what is committed waits for its own disk before it serves (row 63)', () => {
    const cluster = led();
    cluster.stall('b');
    cluster.propose('a', 'x');
    cluster.settle();
    const ticket = cluster.read('b');
    cluster.settle();
    expect(cluster.answer('b', ticket)).toBe(3);
    expect(cluster.server('b').applied).toHaveLength(2);
    expect(cluster.server('b').reads.count).toBe(1); // Nobody has been answered from that.
    cluster.unstall('b');
    cluster.settle();
    expect(cluster.server('b').reads.count).toBe(0);
  });

  it('all restart without a commit index: no read sees less than what was acknowledged before (row 58)', () => {
    const ids = ['a', 'b', 'c'];
    const cluster = led();
    cluster.propose('a', 'x');
    cluster.settle();
    for (const id of ids) {
      cluster.crash(id);
      cluster.server(id).disk.committed = 1; // A store need not remember it.
    }
    for (const id of ids) cluster.start(id);
    const tickets = ids.map((id) => cluster.read(id));
    cluster.settle();
    expect(ids.map((id, i) => cluster.answer(id, tickets[i] as number))).toEqual([undefined, undefined, undefined]);
    cluster.elapseUntil(() => ids.every((id) => cluster.server(id).reads.count === 0));
    for (const [i, id] of ids.entries()) expect(cluster.answer(id, tickets[i] as number)).toBeGreaterThanOrEqual(3);
  });

  it('a new leader that cannot commit serves none, though all of its peers confirm that it leads (row 54)', () => {
    const cluster = led();
    cluster.propose('a', 'x');
    cluster.settle({ kind: 'commit' }); // Acknowledged, and only a knows that.
    cluster.crash('a');
    cluster.drop();
    cluster.stall('c');
    cluster.skip(2 * cluster.timings.election);
    cluster.campaign('b');
    cluster.settle();
    cluster.write('c'); // Its vote; b's first entry stays in its memory.
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
