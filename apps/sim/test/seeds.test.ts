// Shows how a run of many seeds is judged, recorded and shrunk. Uses made-up counts, runs and
// outcomes. sim.process.test.ts and CI run the real worlds.

import { describe, expect, it } from 'vitest';
import { runFastWorld, Violation, type Outcome } from '@kontiki/testing';
import { Coverage } from '../src/coverage.js';
import { runLine } from '../src/runs.js';
import { replayCommand, shrink } from '../src/shrink.js';
import type { Options, World } from '../src/worlds.js';

const counts = runFastWorld(1, { seconds: 1 }).counts;

describe('coverage', () => {
  it('coverage reports every count as missing if no events occurred in 2,000 worlds', () => {
    const coverage = new Coverage('full');
    const idle = Object.fromEntries(Object.keys(counts).map((name) => [name, 0])) as unknown as typeof counts;
    for (let seed = 0; seed < 1_999; seed += 1) coverage.add(1, 1, idle);
    expect(coverage.missing).toEqual([]);
    coverage.add(1, 1, idle);
    // In full worlds, every server reads all entries, and no copies are restored.
    expect(coverage.missing).toHaveLength(Object.keys(counts).length - 2);
    expect(coverage.missing[0]).toMatch(/^elections 0 per 1,000 seeds, minimum \d+$/);
  });

  it('coverage reports no missing counts if every count reaches its minimum', () => {
    const coverage = new Coverage('full');
    const busy = Object.fromEntries(Object.keys(counts).map((name) => [name, 1_000])) as unknown as typeof counts;
    for (let seed = 0; seed < 2_000; seed += 1) coverage.add(1, 1, busy);
    expect(coverage.missing).toEqual([]);
    expect(coverage.rates.elections).toBe(1_000_000);
  });
});

describe('recorded runs', () => {
  it('runLine formats a run as a table row that ends with its failures', () => {
    const run = { world: 'full', from: 7, seeds: 12_345, events: 4_560_000, hours: 78.91, coverage: 'reads 9' };
    expect(runLine('2026-01-02', 'abc1234', { ...run, failures: [] })).toBe(
      '| 2026-01-02 | abc1234 | full | 12,345 | 7 | 4.6 | 78.9 | reads 9 | clean |\n',
    );
    expect(runLine('2026-01-02', 'abc1234', { ...run, failures: ['seed 9: linearizable'] })).toContain(
      '| seed 9: linearizable |',
    );
  });
});

describe('shrinking', () => {
  /** Simulates a world that fails if kills are enabled and it lasts at least three seconds. */
  const failsByKills = async (_world: World, seed: number, options: Options = {}): Promise<Outcome> => {
    const outcome = runFastWorld(seed, { ...options, seconds: 0 });
    const kills = options.without?.includes('kills') !== true && (options.seconds ?? 20) >= 3;
    const strength = { ...outcome.mix.strength, kills: 1, loss: 1, cuts: 0 };
    return {
      ...outcome,
      mix: { ...outcome.mix, strength },
      violation: kills ? new Violation('electionSafety', 'two lead') : undefined,
    };
  };

  it('shrink reduces a failing seed to the faults and seconds that it needs', async () => {
    const shrunk = await shrink('full', 9, 'electionSafety', {}, failsByKills);
    expect(shrunk.without).toContain('loss');
    expect(shrunk.without).not.toContain('kills');
    expect(shrunk.without).not.toContain('cuts');
    expect(shrunk.seconds).toBe(3);
    expect(replayCommand(shrunk)).toMatch(
      /^npx -y pnpm@[\d.]+ sim --world full --seed 9 --without [\w,]+ --seconds 3 --trace$/,
    );
    const onLevel = await shrink('full', 9, 'electionSafety', { storage: 'level' }, failsByKills);
    expect(replayCommand(onLevel)).toContain('--world full --storage level --seed 9 ');
  });
});
