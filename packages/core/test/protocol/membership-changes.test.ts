// Shows how a leader changes the membership: which changes it refuses, when a change takes effect,
// and how added and removed servers behave. See also log/membership-change.test.ts.
import { membershipOf } from '@kontiki/core';
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';
import type { MembershipStep } from '../../src/log/membership-change.js';
import type { ChangeLimits } from '../../src/protocol/change-refusal.js';

const ids = ['a', 'b', 'c', 'd', 'e'];
const add = (id: string): MembershipStep => ({ kind: 'addLearner', id, address: `memory:${id}`, metadata: '' });

/**
 * Returns a scenario in which server `a` leads the given voters, and all other servers are blank.
 */
function led(...voters: string[]): Scenario {
  const membership = membershipOf(voters.map((id) => [id, { address: `memory:${id}`, metadata: '' }]));
  const cluster = new Scenario(ids, { membership });
  cluster.elect('a');
  cluster.settle();
  cluster.elapse(cluster.timings.heartbeat);
  return cluster;
}

/** Changes the membership on a server, and checks that the server accepts the change. */
function change(cluster: Scenario, id: string, ...steps: MembershipStep[]): void {
  cluster.feed(id, (raft) => expect(raft.changeMembership(steps)).toMatchObject({ term: raft.ballot.term }));
}

function refusal(
  cluster: Scenario,
  id: string,
  steps: MembershipStep[],
  limits: ChangeLimits = {},
): string | undefined {
  const result = cluster.feed(id, (raft) => raft.changeMembership(steps, limits));
  return 'refused' in result ? result.refused : undefined;
}

function voters(cluster: Scenario, id: string): readonly string[] | undefined {
  return cluster.raft(id).log.membership?.voters;
}

/** Adds servers as learners, waits until they have the log, and makes them voters. */
function grow(cluster: Scenario, leader: string, ...added: string[]): void {
  change(cluster, leader, ...added.map(add));
  cluster.elapse(4 * cluster.timings.heartbeat);
  change(cluster, leader, ...added.map((id) => ({ kind: 'promote' as const, id })));
  cluster.elapse(4 * cluster.timings.heartbeat);
}

describe('adding servers', () => {
  it('a cluster of one grows to five, and the new servers count as voters', () => {
    const cluster = led('a');
    grow(cluster, 'a', 'b', 'c');
    grow(cluster, 'a', 'd', 'e');
    for (const id of ids) expect(voters(cluster, id)).toEqual(ids);
    cluster.propose('a', 'x');
    cluster.settle();
    for (const id of ['a', 'b']) cluster.crash(id);
    cluster.elapse(10 * cluster.timings.election);
    expect(cluster.leaders).toHaveLength(1);
    const [leader] = cluster.leaders as [string];
    cluster.propose(leader, 'y');
    cluster.settle();
    expect(cluster.raft(leader).log.committed).toBe(cluster.raft(leader).log.lastIndex);
  });

  it('a learner without the log cannot become a voter, not even by force', () => {
    const cluster = led('a', 'b', 'c');
    cluster.crash('d');
    change(cluster, 'a', add('d'));
    cluster.elapse(4 * cluster.timings.heartbeat);
    expect(refusal(cluster, 'a', [{ kind: 'promote', id: 'd' }], { force: true })).toBe('lagging');
  });

  it('a voter is not considered lost because of an answer it sent as a blank learner', () => {
    const cluster = led('a', 'b', 'c');
    grow(cluster, 'a', 'd');
    const { incarnation } = cluster.server('d');
    const stream = cluster.raft('a').peers?.get('d')?.stream as number;
    cluster.forge('d', 'a', {
      kind: 'heartbeatReply',
      term: cluster.raft('a').ballot.term,
      incarnation,
      to: cluster.server('a').incarnation,
      stream,
      round: 0,
      blank: true,
      full: false,
    });
    expect(cluster.raft('a').peers?.get('d')?.lost).toBe(false);
  });
});

describe('removing servers', () => {
  it('a removed server learns of its removal and does not disrupt the cluster', () => {
    const cluster = led('a', 'b', 'c');
    change(cluster, 'a', { kind: 'remove', id: 'c' });
    cluster.elapse(6 * cluster.timings.election);
    expect(voters(cluster, 'c')).toEqual(['a', 'b']);
    expect(cluster.raft('c').log.committed).toBe(cluster.raft('a').log.committed);
    expect(cluster.raft('c').role).toBe('follower');
    expect([...(cluster.raft('a').peers?.keys() ?? [])]).toEqual(['b']);
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.raft('a').ballot.term).toBe(2);
  });

  it('a server that was isolated during its removal cannot depose the leader', () => {
    const cluster = led('a', 'b', 'c');
    cluster.isolate('c');
    change(cluster, 'a', { kind: 'remove', id: 'c' });
    cluster.elapse(6 * cluster.timings.election);
    cluster.heal();
    cluster.elapse(6 * cluster.timings.election);
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.raft('a').ballot.term).toBe(2);
  });

  it('a leader that removes itself transfers its leadership after the commit', () => {
    const cluster = led('a', 'b', 'c');
    change(cluster, 'a', { kind: 'remove', id: 'a' });
    cluster.settle();
    expect(cluster.raft('a').role).toBe('follower');
    expect(cluster.leaders).toHaveLength(1);
    expect(cluster.raft('b').ballot.term).toBe(3);
    cluster.elapse(6 * cluster.timings.election);
    expect(cluster.raft('a').role).toBe('follower');
    expect(cluster.leaders).toHaveLength(1);
  });

  it('a server whose removal is not committed still campaigns if it is needed', () => {
    const cluster = led('a', 'b');
    change(cluster, 'a', { kind: 'remove', id: 'a' });
    cluster.writeAll('a');
    // Only server `a`'s disk contains the removal. Without `a`, server `b` cannot win, because its
    // log is shorter.
    cluster.drop();
    cluster.crash('a');
    cluster.start('a');
    cluster.elapse(20 * cluster.timings.election);
    expect(voters(cluster, 'b')).toEqual(['b']);
    expect(cluster.leaders).toEqual(['b']);
  });

  it('the leader of two servers removes the other while it is down, and commits alone', () => {
    const cluster = led('a', 'b');
    cluster.crash('b');
    change(cluster, 'a', { kind: 'remove', id: 'b' });
    const ticket = cluster.read('a');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    expect(cluster.answer('a', ticket)).toBeDefined();
  });

  it('a server that was removed and added again gets a new stream', () => {
    const cluster = led('a', 'b', 'c');
    const before = cluster.raft('a').peers?.get('c')?.stream as number;
    change(cluster, 'a', { kind: 'remove', id: 'c' });
    cluster.settle();
    change(cluster, 'a', add('c'));
    expect(cluster.raft('a').peers?.get('c')).toMatchObject({ match: 0 });
    expect(cluster.raft('a').peers?.get('c')?.ownsStream(before)).toBe(false);
  });
});

describe('a server that restarts', () => {
  it('a server that has just restarted counts as answering', () => {
    const cluster = led('a', 'b', 'c');
    cluster.crash('c');
    cluster.elapse(2 * cluster.timings.election);
    expect(refusal(cluster, 'a', [{ kind: 'remove', id: 'b' }])).toBe('quorumSilent');
    cluster.start('c');
    cluster.skip(cluster.timings.heartbeat);
    cluster.tick('a');
    cluster.deliver({ to: 'c' });
    cluster.writeAll('c');
    cluster.deliver({ from: 'c' });
    expect(refusal(cluster, 'a', [{ kind: 'remove', id: 'b' }])).toBeUndefined();
  });
});

describe('announced addresses', () => {
  it('announced addresses are written to the log at most once per heartbeat', () => {
    const cluster = led('a', 'b', 'c');
    const { lastIndex } = cluster.raft('a').log;
    const announce = (to: string): void => {
      const from = cluster.raft('a').log.membership?.servers.get('c')?.address as string;
      cluster.feed('a', (raft) => raft.setAnnounced(new Map([['c', { from, to }]])));
    };
    announce('memory:0');
    cluster.skip(cluster.timings.heartbeat);
    cluster.tick('a');
    for (let i = 1; i < 10; i += 1) {
      announce(`memory:${i}`);
      cluster.settle();
    }
    expect(cluster.raft('b').log.membership?.servers.get('c')?.address).toBe('memory:0');
    expect(cluster.raft('a').log.committed).toBe(lastIndex + 1);
    cluster.elapse(cluster.timings.heartbeat);
    expect(cluster.raft('b').log.membership?.servers.get('c')?.address).toBe('memory:9');
    expect(cluster.raft('a').log.committed).toBe(lastIndex + 2);
    change(cluster, 'a', { kind: 'remove', id: 'c' });
  });
});

describe('joint changes', () => {
  it('all voters can be replaced at once, and the joint phase ends automatically', () => {
    const cluster = led('a', 'b');
    change(cluster, 'a', add('c'), add('d'), add('e'));
    cluster.elapse(4 * cluster.timings.heartbeat);
    cluster.feed('a', (raft) => {
      raft.changeMembership([
        ...['c', 'd', 'e'].map((id) => ({ kind: 'promote' as const, id })),
        { kind: 'remove', id: 'a' },
        { kind: 'demote', id: 'b' },
      ]);
    });
    expect(cluster.raft('a').log.membership).toMatchObject({ outgoing: ['a', 'b'], learnersNext: ['b'] });
    cluster.elapse(6 * cluster.timings.election);
    const [leader] = cluster.leaders as [string];
    expect(cluster.raft(leader).log.membership).toMatchObject({
      voters: ['c', 'd', 'e'],
      outgoing: [],
      learners: ['b'],
    });
    expect(leader).not.toBe('a');
  });

  it('a new leader leaves a joint phase that its predecessor began', () => {
    const cluster = led('a', 'b', 'c');
    change(cluster, 'a', add('d'), add('e'));
    cluster.elapse(4 * cluster.timings.heartbeat);
    cluster.feed('a', (raft) => raft.changeMembership(['d', 'e'].map((id) => ({ kind: 'promote' as const, id }))));
    cluster.writeAll('a');
    cluster.deliver();
    cluster.crash('a');
    cluster.elapse(10 * cluster.timings.election);
    const [leader] = cluster.leaders as [string];
    expect(cluster.raft(leader).log.membership).toMatchObject({ outgoing: [] });
    expect(cluster.raft(leader).log.membershipIndex).toBeLessThanOrEqual(cluster.raft(leader).log.committed);
  });
});

describe('refusals of changes', () => {
  it.each<[string, (cluster: Scenario) => unknown, string]>([
    ['on a follower', (c) => refusal(c, 'b', [{ kind: 'remove', id: 'c' }]), 'notLeader'],
    ['for an unknown server', (c) => refusal(c, 'a', [{ kind: 'remove', id: 'x' }]), 'invalid'],
    ['for another revision', (c) => refusal(c, 'a', [{ kind: 'remove', id: 'c' }], { expected: 7 }), 'revision'],
    [
      'while a change is in progress',
      (c) => {
        change(c, 'a', add('d'));
        return refusal(c, 'a', [{ kind: 'remove', id: 'c' }]);
      },
      'changing',
    ],
    [
      'whose new quorum does not answer',
      (c) => {
        c.crash('b');
        c.elapse(1.5 * c.timings.election);
        return refusal(c, 'a', [{ kind: 'remove', id: 'c' }]);
      },
      'quorumSilent',
    ],
    [
      'whose new quorum has not answered this leader yet',
      (c) => {
        c.crash('a');
        c.elapseUntil(() => c.leaders.length > 0);
        const [leader] = c.leaders as [string];
        expect(c.raft(leader).log.committed).toBe(c.raft(leader).log.lastIndex);
        return refusal(c, leader, [{ kind: 'remove', id: leader === 'b' ? 'c' : 'b' }]);
      },
      'quorumSilent',
    ],
    [
      'while the leader hands over',
      (c) => {
        c.feed('a', (raft) => raft.transfer('b'));
        return refusal(c, 'a', [{ kind: 'remove', id: 'c' }]);
      },
      'transferring',
    ],
  ])('a change %s is refused', (_, act, reason) => {
    expect(act(led('a', 'b', 'c'))).toBe(reason);
  });

  it('a change is refused until the leader has committed an entry of its term', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.makeCandidate('a');
    cluster.writeAll('a');
    cluster.deliver({ kind: 'vote' });
    cluster.writeAll('b');
    cluster.deliver({ kind: 'voteReply' });
    expect(cluster.raft('a').role).toBe('leader');
    expect(refusal(cluster, 'a', [{ kind: 'remove', id: 'c' }])).toBe('notReady');
  });

  it('a membership change at level 0 is refused', () => {
    const membership = membershipOf(
      ['a', 'b', 'c'].map((id) => [id, { address: id, metadata: '' }]),
      [],
      0,
    );
    const cluster = new Scenario(['a', 'b', 'c'], { membership });
    cluster.elect('a');
    cluster.settle();
    cluster.elapse(cluster.timings.heartbeat);
    expect(refusal(cluster, 'a', [{ kind: 'remove', id: 'c' }])).toBe('level');
  });
});
