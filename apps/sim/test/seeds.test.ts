import { describe, expect, it } from 'vitest';
import { runFastWorld, Violation, type Outcome } from '@kontiki/testing';
import { Coverage } from '../src/coverage.js';
import { runLine } from '../src/runs.js';
import { replayCommand, shrink } from '../src/shrink.js';
import type { Options, World } from '../src/worlds.js';

const counts = runFastWorld(1, { seconds: 1 }).counts;

describe('coverage', () => {
  it('of worlds in which nothing happens is too little', () => {
    const coverage = new Coverage('full');
    const idle = Object.fromEntries(Object.keys(counts).map((name) => [name, 0])) as unknown as typeof counts;
    for (let seed = 0; seed < 299; seed += 1) coverage.add(1, 1, idle);
    expect(coverage.missing).toEqual([]);
    coverage.add(1, 1, idle);
    expect(coverage.missing).toHaveLength(Object.keys(counts).length);
    expect(coverage.missing[0]).toMatch(/^elections: 0 per 1,000 seeds, not \d+$/);
  });

  it('of worlds in which enough happens is none', () => {
    const coverage = new Coverage('full');
    const busy = Object.fromEntries(Object.keys(counts).map((name) => [name, 1_000])) as unknown as typeof counts;
    for (let seed = 0; seed < 400; seed += 1) coverage.add(1, 1, busy);
    expect(coverage.missing).toEqual([]);
    expect(coverage.rates.elections).toBe(1_000_000);
  });
});

describe('recorded runs', () => {
  it('a recorded run is one table line that ends with its failures', () => {
    const run = { world: 'full', from: 7, seeds: 12_345, events: 4_560_000, hours: 78.91, coverage: 'reads 9' };
    expect(runLine('2026-01-02', 'abc1234', { ...run, failures: [] })).toBe(
      '| 2026-01-02 | abc1234 | full | 12,345 | 7 | 4.6 | 78.9 | reads 9 | clean |\n',
    );
    expect(runLine('2026-01-02', 'abc1234', { ...run, failures: ['seed 9: linearizable'] })).toContain(
      '| seed 9: linearizable |',
    );
  });
});

describe('a failing seed', () => {
  /** A world that breaks as long as there are kills, for three seconds or more. */
  const breaks = async (_world: World, seed: number, options: Options = {}): Promise<Outcome> => {
    const outcome = runFastWorld(seed, { ...options, seconds: 0 });
    const kills = options.without?.includes('kills') !== true && (options.seconds ?? 20) >= 3;
    const strength = { ...outcome.mix.strength, kills: 1, loss: 1, cuts: 0 };
    return {
      ...outcome,
      mix: { ...outcome.mix, strength },
      violation: kills ? new Violation('electionSafety', 'two lead') : undefined,
    };
  };

  it('is shrunk to the faults and the time that it needs, and replayed by a command', async () => {
    const shrunk = await shrink('full', 9, 'electionSafety', {}, breaks);
    expect(shrunk.without).toContain('loss');
    expect(shrunk.without).not.toContain('kills');
    expect(shrunk.without).not.toContain('cuts');
    expect(shrunk.seconds).toBe(3);
    expect(replayCommand(shrunk)).toMatch(/^pnpm sim --world full --seed 9 --without [\w,]+ --seconds 3 --trace$/);
    const onLevel = await shrink('full', 9, 'electionSafety', { storage: 'level' }, breaks);
    expect(replayCommand(onLevel)).toContain('--world full --storage level --seed 9 ');
  });
});
