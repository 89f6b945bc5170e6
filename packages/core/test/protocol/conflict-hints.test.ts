import { Scenario } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';

describe('conflict hints', () => {
  // Raft §5.3: at most one probe per conflicting term. bugs.md#38
  const cases = [1, 2, 3, 5, 10, 50, 100, 200].flatMap((length) =>
    [1, 2, 5, length].map((runs) => [length, Math.min(runs, length)] as const),
  );
  it.each(cases)('a leader replaces %i conflicting entries in %i terms with one probe per term', (length, runs) => {
    const cluster = new Scenario(['a', 'b', 'c']);
    const spread = (first: number): number[] =>
      Array.from({ length }, (_, i) => first + 2 * Math.floor((i * runs) / length));
    cluster.startWith('a', spread(3)); // All terms are odd.
    cluster.startWith('b', spread(2)); // All terms are even.
    cluster.startWith('c', [2]);
    cluster.crash('c');
    cluster.raiseTerm('a', 3 + 2 * runs);
    cluster.elect('a');
    cluster.elapse(2 * cluster.timings.heartbeat);
    expect(cluster.leaders).toEqual(['a']);
    expect(cluster.terms('b')).toEqual(cluster.terms('a'));
    const rejected = cluster.sent.filter(({ message }) => message.kind === 'appendRejected');
    expect(rejected.length).toBeLessThanOrEqual(runs + 1);
  });
});
