import { describe, expect, it } from 'vitest';
import { FAULTS, runFastWorld } from '@kontiki/testing';

describe('the world', () => {
  it('is one execution for a seed, and another one for another', () => {
    const [once, again, other] = [runFastWorld(5), runFastWorld(5), runFastWorld(6)];
    expect(again).toEqual(once);
    expect(other.hash).not.toBe(once.hash);
  });

  it('is the same whether it is told or not, and tells what happens', () => {
    const story: string[] = [];
    const told = runFastWorld(7, { seconds: 2, trace: (at, text) => story.push(`${at} ${text}`) });
    expect(told).toEqual(runFastWorld(7, { seconds: 2 }));
    expect(story.join('\n')).toMatch(/a starts: term 1[^]*append term[^]*everything heals/);
  });

  it('keeps every invariant through 40 seeds in which much happens', () => {
    const outcomes = Array.from({ length: 40 }, (_, seed) => runFastWorld(seed));
    expect(outcomes.filter(({ violation }) => violation !== undefined)).toEqual([]);
    const sum = (name: keyof (typeof outcomes)[0]['counts']): number =>
      outcomes.reduce((total, { counts }) => total + counts[name], 0);
    expect(sum('elections')).toBeGreaterThan(150);
    expect(sum('truncations')).toBeGreaterThan(20);
    expect(sum('crashes')).toBeGreaterThan(200);
    expect(sum('reads')).toBeGreaterThan(4_000);
    expect(sum('acknowledged')).toBeGreaterThan(8_000);
  }, 120_000);

  it('leaves each fault out of about half of the seeds, and out altogether when told so', () => {
    const mixes = Array.from({ length: 30 }, (_, seed) => runFastWorld(seed, { seconds: 0 }).mix);
    for (const fault of FAULTS) {
      const seeds = mixes.map(({ strength }) => strength[fault]);
      expect(seeds.filter((strength) => strength > 0).length).toBeGreaterThan(5);
      expect(seeds.filter((strength) => strength === 0).length).toBeGreaterThan(5);
    }
    expect(runFastWorld(3, { seconds: 1, without: FAULTS }).counts.crashes).toBe(0);
  }, 120_000);
});
