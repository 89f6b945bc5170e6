// Shows which servers lead when disks stop answering or are full, and which proposals are refused.
// A stalled disk reports no error: `stall` prevents a server's writes from finishing.
import { describe, expect, it } from 'vitest';
import { Scenario } from '@kontiki/testing';

function threeServers(): Scenario {
  const cluster = new Scenario(['a', 'b', 'c']);
  cluster.elect('a');
  cluster.elapse(200);
  return cluster;
}

describe('a stalled disk', () => {
  it('a leader with a stalled disk steps down when the others commit without it', () => {
    const cluster = threeServers();
    cluster.stall('a');
    cluster.propose('a', 'x');
    cluster.elapse(8 * cluster.timings.election);
    expect(cluster.server('a').reports).toContainEqual({ kind: 'steppedDown', reason: 'diskStalled' });
    expect(cluster.leaders).toHaveLength(1);
    expect(cluster.leaders).not.toContain('a');
    expect(cluster.raft('a').diskStalled).toBe(true);
  });

  it('a server with a stalled disk does not campaign until the write ends', () => {
    const cluster = threeServers();
    cluster.stall('a');
    cluster.propose('a', 'x');
    cluster.elapse(8 * cluster.timings.election);
    for (const id of ['b', 'c']) cluster.crash(id);
    cluster.elapse(20 * cluster.timings.election);
    expect(cluster.raft('a').role).toBe('follower');
    cluster.unstall('a');
    cluster.elapse(4 * cluster.timings.election);
    expect(cluster.raft('a').role).not.toBe('follower');
    expect(cluster.raft('a').diskStalled).toBe(false);
  });

  it('a leader with a stalled disk keeps leading while no write is pending', () => {
    const cluster = threeServers();
    cluster.stall('a');
    cluster.elapse(20 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
  });

  it('a disk that finishes a write per election timeout is slow, not stalled', () => {
    const cluster = threeServers();
    cluster.stall('a');
    for (let i = 0; i < 20; i += 1) {
      cluster.propose('a', `${i}`);
      cluster.elapse(cluster.timings.election);
      cluster.write('a');
    }
    expect(cluster.leaders).toEqual(['a']);
  });

  it('a follower with a stalled disk queues at most one answer per stream', () => {
    const cluster = threeServers();
    cluster.stall('b');
    cluster.propose('a', 'x');
    cluster.elapse(50 * cluster.timings.heartbeat);
    cluster.drop();
    cluster.unstall('b');
    cluster.writeAll('b');
    const accepted = cluster.underWay.filter(({ from, message }) => from === 'b' && message.kind === 'appendAccepted');
    expect(accepted.length).toBeLessThan(3);
    cluster.elapse(1_000);
    expect(cluster.raft('b').log.committed).toBe(cluster.raft('a').log.committed);
  });
});

describe('full disks', () => {
  it('the only server with all entries leads even if its disk is full', () => {
    const cluster = threeServers();
    cluster.isolate('c');
    for (let i = 0; i < 5; i += 1) cluster.propose('a', `x${i}`);
    cluster.elapse(300);
    cluster.feed('b', (raft) => raft.setFull(true));
    cluster.crash('a');
    cluster.heal();
    cluster.elapse(20 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['b']);
    expect(cluster.raft('c').log.lastIndex).toBe(cluster.raft('b').log.lastIndex);
    const read = cluster.read('c');
    cluster.elapse(500);
    expect(cluster.answer('c', read)).toBe(cluster.raft('b').log.committed);
  });

  it('a cluster whose disks are all full elects a leader that serves reads', () => {
    const cluster = threeServers();
    cluster.propose('a', 'x');
    cluster.elapse(300);
    for (const id of ['a', 'b', 'c']) cluster.feed(id, (raft) => raft.setFull(true));
    cluster.crash('a');
    cluster.elapse(20 * cluster.timings.election);
    const [leader = ''] = cluster.leaders;
    expect(['b', 'c']).toContain(leader);
    const read = cluster.read(leader);
    cluster.elapse(500);
    expect(cluster.answer(leader, read)).toBe(cluster.raft(leader).log.committed);
    expect(cluster.propose(leader, 'y')).toBe('diskFull');
  });

  it('a leader ignores answers sent before its own disk became full', () => {
    const cluster = threeServers();
    for (const id of ['b', 'c', 'a']) cluster.feed(id, (raft) => raft.setFull(true));
    cluster.elapse(20 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
    cluster.feed('b', (raft) => raft.setFull(false));
    cluster.feed('c', (raft) => raft.setFull(false));
    cluster.elapse(10 * cluster.timings.election);
    expect(cluster.leaders).not.toContain('a');
    expect(cluster.leaders).toHaveLength(1);
  });

  it('a leader appends no entries without commands while a disk is full', () => {
    const cluster = threeServers();
    const mark = (): unknown => {
      let answer: unknown;
      cluster.feed('a', (raft) => (answer = raft.mark()));
      return answer;
    };
    expect(mark()).toMatchObject({ kind: 'noop' });
    cluster.feed('b', (raft) => raft.setFull(true));
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(mark()).toBe('diskFull');
    cluster.feed('b', (raft) => raft.setFull(false));
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(mark()).toMatchObject({ kind: 'noop' });
  });

  it('a leader refuses proposals while the disks of a quorum are full', () => {
    const cluster = threeServers();
    cluster.feed('b', (raft) => raft.setFull(true));
    cluster.elapse(300);
    expect(cluster.propose('a', 'x')).toMatchObject({ term: cluster.raft('a').ballot.term });
    cluster.feed('c', (raft) => raft.setFull(true));
    cluster.elapse(300);
    expect(cluster.propose('a', 'y')).toBe('diskFull');
    cluster.feed('b', (raft) => raft.setFull(false));
    cluster.elapse(300);
    expect(cluster.propose('a', 'z')).toMatchObject({ term: cluster.raft('a').ballot.term });
  });
});
