import { describe, expect, it } from 'vitest';
import { Cluster, timings } from './cluster.js';

const read = (cluster: Cluster, id: string): number => cluster.feed(id, (raft) => raft.read());

/** The index a read got; undefined while it waits. */
function indexOf(cluster: Cluster, id: string, ticket: number): number | undefined {
  for (const [upTo, index] of cluster.get(id).reads) if (upTo >= ticket) return index;
  return undefined;
}

describe('linearizable reads', () => {
  it('at the leader and at a follower, of everything committed before', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    const [leader, follower] = [read(cluster, 'a'), read(cluster, 'b')];
    cluster.settle();
    expect(indexOf(cluster, 'a', leader)).toBe(3);
    expect(indexOf(cluster, 'b', follower)).toBe(3);
  });

  it('a single server answers at once', () => {
    const cluster = new Cluster(['a']);
    cluster.elect('a');
    const ticket = read(cluster, 'a');
    expect(indexOf(cluster, 'a', ticket)).toBe(2);
  });

  it('a single server that has restarted answers none from behind what it acknowledged (row 59)', () => {
    const cluster = new Cluster(['a']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    cluster.crash('a');
    cluster.get('a').disk.committed = 1; // A store need not remember what is committed.
    cluster.start('a');
    cluster.stalled.add('a');
    const early = read(cluster, 'a');
    cluster.feed('a', (raft) => raft.askForPreVotes());
    cluster.write('a'); // Its term and vote: it leads, and its own entry is not durable yet.
    expect(cluster.raft('a').role).toBe('leader');
    const late = read(cluster, 'a');
    expect([early, late].map((ticket) => indexOf(cluster, 'a', ticket))).toEqual([undefined, undefined]);
    while (cluster.write('a'));
    expect([early, late].map((ticket) => indexOf(cluster, 'a', ticket))).toEqual([4, 4]);
  });

  it('a deposed leader serves none (row 55)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(timings.heartbeat);
    cluster.isolate('a');
    const ticket = read(cluster, 'a');
    cluster.elapseUntil(() => cluster.leaders.some((id) => id !== 'a'));
    const other = cluster.leaders.find((id) => id !== 'a') as string;
    cluster.propose(other, 'new');
    cluster.elapse(timings.election);
    expect(indexOf(cluster, 'a', ticket)).toBe(undefined);
    // Back in the cluster, the read that still waits is served by the new leader, with what was written since.
    cluster.heal();
    cluster.elapse(4 * timings.election);
    expect(indexOf(cluster, 'a', ticket)).toBeGreaterThanOrEqual(cluster.raft(other).log.committed - 1);
  });

  it('after an election none before an entry of the new term is committed (row 54)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.propose('a', 'x');
    // b has the entry, but not the news that it is committed, and is elected.
    while (cluster.write('a') || cluster.write('b') || cluster.write('c'));
    for (const flight of cluster.net.splice(0)) cluster.deliver(flight);
    cluster.write('b');
    const acks = cluster.net.splice(0);
    for (const flight of acks) if (flight.to === 'a') cluster.deliver(flight);
    expect(cluster.raft('a').log.committed).toBe(3);
    cluster.net.length = 0;
    cluster.crash('a');
    cluster.now += 2 * timings.election;
    cluster.feed('b', (raft) => raft.askForPreVotes());
    // The noop of b's term reaches nobody yet.
    const withoutAppends = (): void => {
      for (let i = 0; i < 50; i += 1) {
        while (cluster.write('b') || cluster.write('c'));
        const at = cluster.net.findIndex(({ message }) => message.kind !== 'append');
        if (at < 0) return;
        cluster.deliver(cluster.net.splice(at, 1)[0] as never);
      }
    };
    withoutAppends();
    expect(cluster.raft('b').role).toBe('leader');
    expect(cluster.raft('b').log.committed).toBe(2);
    const ticket = read(cluster, 'b');
    cluster.tick('b');
    withoutAppends();
    expect(indexOf(cluster, 'b', ticket)).toBe(undefined);
    cluster.elapse(timings.heartbeat);
    expect(indexOf(cluster, 'b', ticket)).toBeGreaterThanOrEqual(3);
  });

  it('answers to heartbeats that left before the read do not confirm it (row 56)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    // Numbers of rounds go on: these heartbeats carry that of an earlier read's.
    const earlier = read(cluster, 'a');
    cluster.elapse(timings.heartbeat);
    expect(indexOf(cluster, 'a', earlier)).toBe(2);
    cluster.now = cluster.raft('a').wakeAt;
    cluster.tick('a');
    const beats = cluster.net.splice(0);
    const ticket = read(cluster, 'a');
    const rounds = cluster.net.splice(0);
    for (const flight of beats) cluster.deliver(flight);
    cluster.settle();
    expect(indexOf(cluster, 'a', ticket)).toBe(undefined);
    cluster.net.push(...rounds);
    cluster.settle();
    expect(indexOf(cluster, 'a', ticket)).toBe(2);
  });

  it('one round serves all reads that wait', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(timings.heartbeat);
    let beats = 0;
    cluster.watch = (server, output) => {
      if (server.id !== 'a') return;
      for (const messages of output.messages.values())
        for (const { kind } of messages) beats += kind === 'heartbeat' ? 1 : 0;
    };
    for (let i = 0; i < 100; i += 1) read(cluster, 'a');
    cluster.settle();
    expect(indexOf(cluster, 'a', 100)).toBe(2);
    expect(beats).toBe(4); // Two peers: the first read's round, and one for the 99 that came meanwhile.
  });

  it('an answer to an earlier life of the asker answers nothing (rows 57, design: incarnations)', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(timings.heartbeat);
    read(cluster, 'b');
    const question = cluster.net.splice(0);
    cluster.crash('b');
    for (const flight of question) cluster.deliver(flight);
    const hold: typeof question = [];
    for (let i = 0; i < 20; i += 1) {
      const flight = cluster.net.shift();
      if (flight === undefined) break;
      if (flight.message.kind === 'readIndexReply') hold.push(flight);
      else cluster.deliver(flight);
    }
    expect(hold).toHaveLength(1);
    cluster.propose('a', 'later');
    cluster.settle();
    cluster.start('b');
    cluster.isolate('b');
    const ticket = read(cluster, 'b');
    for (const flight of hold) cluster.deliver(flight);
    expect(indexOf(cluster, 'b', ticket)).toBe(undefined);
    cluster.heal();
    cluster.elapse(timings.election);
    expect(indexOf(cluster, 'b', ticket)).toBe(3);
  });

  it('a lost question, answer or round is asked again', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(timings.heartbeat);
    const [leader, follower] = [read(cluster, 'a'), read(cluster, 'b')];
    cluster.net.length = 0;
    cluster.elapse(3 * timings.heartbeat);
    expect(indexOf(cluster, 'a', leader)).toBe(2);
    expect(indexOf(cluster, 'b', follower)).toBe(2);
  });

  it('a read that began under a leader that dies is served by the next one', () => {
    const cluster = new Cluster(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(timings.heartbeat);
    cluster.crash('a');
    const ticket = read(cluster, 'b');
    cluster.elapseUntil(() => indexOf(cluster, 'b', ticket) !== undefined);
  });
});
