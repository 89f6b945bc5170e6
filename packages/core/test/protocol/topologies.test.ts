import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

const five = ['a', 'b', 'c', 'd', 'e'];
const terms = (cluster: Scenario): number[] => [...cluster.servers.values()].map(({ raft }) => raft.ballot.term);

/** Forty elections pass; in the second half of them nobody may be disturbed any more. */
function calmLeader(cluster: Scenario): string {
  cluster.elapse(20 * cluster.timings.election);
  const { leaders } = cluster;
  const before = terms(cluster);
  cluster.elapse(20 * cluster.timings.election);
  expect(cluster.leaders).toEqual(leaders);
  expect(leaders).toHaveLength(1);
  expect(terms(cluster)).toEqual(before);
  return leaders[0] as string;
}

describe('links that fail in part', () => {
  it('partial connectivity: followers that hear a leader stay with it while one that does not cannot disturb (row 17)', () => {
    // The Cloudflare outage of 2020: a switch fails, and c hears b but not the leader a.
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    const [term] = terms(cluster);
    cluster.connect(['a', 'b'], ['b', 'c']);
    expect(calmLeader(cluster)).toBe('a');
    expect(terms(cluster)).toEqual([term, term, term]);
    cluster.propose('a', 'x');
    cluster.settle();
    expect(cluster.raft('a').log.committed).toBe(3);
    cluster.heal();
    cluster.elapse(3 * cluster.timings.heartbeat);
    expect(cluster.terms('c')).toEqual(cluster.terms('a'));
  });

  it('Cloudflare’s again, with the leader on the far side: one new leader, and no elections after that (row 17)', () => {
    const cluster = new Scenario(five);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    // The switch of a reaches e only; e reaches everybody.
    cluster.connect(['a', 'e'], ['b', 'c'], ['b', 'd'], ['b', 'e'], ['c', 'd'], ['c', 'e'], ['d', 'e']);
    expect(calmLeader(cluster)).not.toBe('a');
  });

  it('quorum loss: only the hub of a star reaches a majority, so the leader at its rim gives way to it (row 17, OmniPaxos)', () => {
    const cluster = new Scenario(five);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.connect(['c', 'a'], ['c', 'b'], ['c', 'd'], ['c', 'e']);
    expect(calmLeader(cluster)).toBe('c');
    cluster.propose('c', 'x');
    cluster.settle();
    for (const id of five) expect(cluster.server(id).applied).toEqual(cluster.server('c').applied);
  });

  it('constrained: a hub that misses committed entries leads nobody, raises no term, and all is well once it heals (row 17)', () => {
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

  it('chained: of five in a row one in the middle leads, and the end that does not hear it disturbs nobody (row 17)', () => {
    const cluster = new Scenario(five);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.connect(['a', 'b'], ['b', 'c'], ['c', 'd'], ['d', 'e']);
    expect(['b', 'c', 'd']).toContain(calmLeader(cluster));
  });

  it('a leader that hears and cannot be heard is replaced, and told so by the next one (row 18)', () => {
    const cluster = new Scenario(five);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    for (const id of five.slice(1)) cluster.cut('a', id);
    cluster.elapseUntil(() => cluster.leaders.some((id) => id !== 'a'));
    cluster.elapse(cluster.timings.heartbeat);
    expect(cluster.raft('a').role).toBe('follower');
    expect(cluster.server('a').reports).toContainEqual({ kind: 'steppedDown', reason: 'higherTerm' });
  });

  it('a follower that cannot be heard stays one; a leader that only hears it leads on with the others', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.cut('c', 'a');
    cluster.cut('c', 'b');
    cluster.propose('a', 'x');
    expect(calmLeader(cluster)).toBe('a');
    expect(cluster.raft('a').log.committed).toBe(3);
    expect(cluster.raft('c').role).toBe('follower');
  });

  it('a follower that cannot hear asks for pre-votes for ever, which disturb nobody (rows 16, 18)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.cut('a', 'c');
    cluster.cut('b', 'c');
    const before = terms(cluster);
    expect(calmLeader(cluster)).toBe('a');
    expect(terms(cluster)).toEqual(before);
    expect(cluster.sent.some(({ from, message }) => from === 'c' && message.kind === 'preVote')).toBe(true);
    expect(cluster.sent.some(({ from, message }) => from === 'c' && message.kind === 'vote')).toBe(false);
    cluster.heal();
    expect(calmLeader(cluster)).toBe('a');
    expect(cluster.raft('c').leader).toBe('a');
  });

  it('a candidate stuck in a higher term deposes the leader that cannot reach it, once, and follows again (check-quorum; rule 9)', () => {
    const cluster = new Scenario(['a', 'b', 'c']);
    cluster.elect('a');
    cluster.elapse(cluster.timings.election);
    cluster.isolate('c');
    // Without pre-votes, as servers of another version might.
    for (let i = 0; i < 5; i += 1) cluster.makeCandidate('c');
    cluster.writeAll('c');
    cluster.drop();
    const stuck = cluster.raft('c').ballot.term;
    cluster.heal();
    calmLeader(cluster);
    const term = Math.max(...terms(cluster));
    expect(term).toBeGreaterThan(stuck);
    expect(term).toBeLessThanOrEqual(stuck + 2);
    expect(new Set(terms(cluster)).size).toBe(1);
  });
});
