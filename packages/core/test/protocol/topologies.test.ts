// Shows that a cluster keeps or elects a stable leader when only some links work. The scenarios
// "quorum loss", "constrained election" and "chained" come from the OmniPaxos paper.
import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const five = ['a', 'b', 'c', 'd', 'e'];
const terms = (cluster: Scenario): number[] => [...cluster.servers.values()].map(({ raft }) => raft.ballot.term);

/**
 * Advances time by 40 election timeouts and returns the leader. Fails unless there is exactly one
 * leader, and the leader and all terms stay the same during the last 20 timeouts.
 */
function stableLeader(cluster: Scenario): string {
  cluster.elapse(20 * cluster.timings.election);
  const { leaders } = cluster;
  const before = terms(cluster);
  cluster.elapse(20 * cluster.timings.election);
  expect(cluster.leaders).toEqual(leaders);
  expect(leaders).toHaveLength(1);
  expect(terms(cluster)).toEqual(before);
  return leaders[0] as string;
}

describe('partial failures of the network', () => {
  it('a follower cut off only from the leader causes no election (bugs.md#17)', () => {
    // The Cloudflare outage of 2020: a switch fails, and server `c` can reach `b` but not the
    // leader `a`.
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    const [term] = terms(cluster);
    cluster.connect(['a', 'b'], ['b', 'c']);
    expect(stableLeader(cluster)).toBe('a');
    expect(terms(cluster)).toEqual([term, term, term]);
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    cluster.heal();
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.terms('c')).toEqual(cluster.terms('a'));
  });

  it('a leader cut off from most servers is replaced once (bugs.md#17)', () => {
    const cluster = new Scenario(five);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    // The Cloudflare outage from the leader's side: server `a` can reach only `e`, and `e` can
    // reach all servers.
    cluster.connect(['a', 'e'], ['b', 'c'], ['b', 'd'], ['b', 'e'], ['c', 'd'], ['c', 'e'], ['d', 'e']);
    expect(stableLeader(cluster)).not.toBe('a');
  });

  it('quorum loss: the hub of a star topology replaces an outer leader (bugs.md#17)', () => {
    const cluster = new Scenario(five);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.connect(['c', 'a'], ['c', 'b'], ['c', 'd'], ['c', 'e']);
    expect(stableLeader(cluster)).toBe('c');
    cluster.propose('c', 'x');
    cluster.settle();
    for (const id of five) expect(cluster.server(id).applied).toEqual(cluster.server('c').applied);
  });

  it('constrained election: a hub that lacks entries never leads (bugs.md#17)', () => {
    const cluster = new Scenario(five);
    cluster.elect('a');
    cluster.partition(['a', 'b', 'd'], ['c', 'e']);
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    const before = terms(cluster);
    cluster.connect(['c', 'b'], ['c', 'd'], ['c', 'e']);
    cluster.elapse(40 * cluster.timings.election);
    expect(cluster.leaders).toEqual([]);
    expect(terms(cluster)).toEqual(before);
    cluster.heal();
    cluster.elapseUntil(() => cluster.leaders.length === 1);
    expect(['a', 'b', 'd']).toContain(cluster.leaders[0]);
  });

  it('chained: an inner server of a chain leads without disruption (bugs.md#17)', () => {
    const cluster = new Scenario(five);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.connect(['a', 'b'], ['b', 'c'], ['c', 'd'], ['d', 'e']);
    expect(['b', 'c', 'd']).toContain(stableLeader(cluster));
  });

  it('a leader that can receive but not send is replaced (bugs.md#18)', () => {
    const cluster = new Scenario(five);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    for (const id of five.slice(1)) cluster.cut('a', id);
    cluster.elapseUntil(() => cluster.leaders.some((id) => id !== 'a'));
    cluster.elapse(cluster.timings.heartbeat);
    expect(cluster.raft('a').role).toBe('follower');
    expect(cluster.server('a').reports).toContainEqual({ kind: 'steppedDown', reason: 'higherTerm' });
  });

  it('a follower that cannot send does not disrupt the cluster', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.cut('c', 'a');
    cluster.cut('c', 'b');
    cluster.propose('a', 'x');
    expect(stableLeader(cluster)).toBe('a');
    expect(cluster.raft('a').log.committed).toBe(3);
    expect(cluster.raft('c').role).toBe('follower');
  });

  it('a follower that cannot receive sends only harmless pre-votes', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.cut('a', 'c');
    cluster.cut('b', 'c');
    const before = terms(cluster);
    expect(stableLeader(cluster)).toBe('a');
    expect(terms(cluster)).toEqual(before);
    expect(cluster.sent.some(({ from, message }) => from === 'c' && message.kind === 'preVote')).toBe(true);
    expect(cluster.sent.some(({ from, message }) => from === 'c' && message.kind === 'vote')).toBe(false);
    cluster.heal();
    expect(stableLeader(cluster)).toBe('a');
    expect(cluster.raft('c').leader).toBe('a');
  });

  it('a returning candidate with a higher term deposes the leader only once', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.isolate('c');
    // Server `c` raises its term without pre-votes, as a server with another version might do.
    for (let i = 0; i < 5; i += 1) cluster.makeCandidate('c');
    cluster.writeAll('c');
    cluster.drop();
    const stuck = cluster.raft('c').ballot.term;
    cluster.heal();
    stableLeader(cluster);
    const term = Math.max(...terms(cluster));
    expect(term).toBeGreaterThan(stuck);
    expect(term).toBeLessThanOrEqual(stuck + 2);
    expect(new Set(terms(cluster)).size).toBe(1);
  });
});
