import { describe, expect, it } from 'vitest';
import { ALL_FAULTS, FAULTS, LATER_FAULTS, runFastWorld } from '@kontiki/testing';

describe('runFastWorld', () => {
  it('runFastWorld produces equal executions only for equal seeds', () => {
    const [first, second, other] = [runFastWorld(5), runFastWorld(5), runFastWorld(6)];
    expect(second).toEqual(first);
    expect(other.hash).not.toBe(first.hash);
  });

  it('tracing a fast world reports its events and does not change the outcome', () => {
    const lines: string[] = [];
    const traced = runFastWorld(7, { seconds: 2, trace: (at, text) => lines.push(`${at} ${text}`) });
    expect(traced).toEqual(runFastWorld(7, { seconds: 2 }));
    expect(lines.join('\n')).toMatch(/a starts: term 1[^]*append term[^]*all faults end/);
  });

  it('all invariants hold in 20 fast worlds in which many events occur', () => {
    const outcomes = Array.from({ length: 20 }, (_, seed) => runFastWorld(seed));
    expect(outcomes.filter(({ violation }) => violation !== undefined)).toEqual([]);
    const sum = (name: keyof (typeof outcomes)[0]['counts']): number =>
      outcomes.reduce((total, { counts }) => total + counts[name], 0);
    expect(sum('elections')).toBeGreaterThan(75);
    expect(sum('truncations')).toBeGreaterThan(10);
    expect(sum('crashes')).toBeGreaterThan(100);
    expect(sum('restoredCopies')).toBeGreaterThan(0);
    expect(sum('reads')).toBeGreaterThan(2_000);
    expect(sum('acknowledged')).toBeGreaterThan(2_500);
  }, 120_000);

  it('each fault occurs in some seeds but not in others, and never if disabled', () => {
    const mixes = Array.from({ length: 60 }, (_, seed) => runFastWorld(seed, { seconds: 0 }).mix);
    for (const fault of [...FAULTS, ...LATER_FAULTS, 'restoredCopies'] as const) {
      const seeds = mixes.map(({ strength }) => strength[fault]);
      expect(seeds.filter((strength) => strength > 0).length).toBeGreaterThan(3);
      expect(seeds.filter((strength) => strength === 0).length).toBeGreaterThan(5);
    }
    expect(runFastWorld(3, { seconds: 1, without: ALL_FAULTS }).counts.crashes).toBe(0);
  }, 120_000);
});
