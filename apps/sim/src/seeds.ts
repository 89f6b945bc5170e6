import { readFileSync } from 'node:fs';
import type { Counts } from '@kontiki/testing';
import { Coverage } from './coverage.js';
import { runPool } from './pool.js';
import { Progress } from './progress.js';
import { replayCommand, shrink } from './shrink.js';
import type { Job, SeedResult } from './worker.js';

export interface SeedsOptions {
  readonly from: number;
  /** How many; with `minutes`, no more than fit. */
  readonly count: number;
  readonly minutes: number;
  /** What all of them are like. */
  readonly world: Job['options'];
  /** Begins with the seeds that ever found a bug. */
  readonly regressions: boolean;
}

interface Regression {
  readonly seed: number;
  readonly found: string;
}

function regressions(): readonly Regression[] {
  return JSON.parse(readFileSync(new URL('../regressions.json', import.meta.url), 'utf8')) as Regression[];
}

const BATCH = 5;

/** Runs many seeds; resolves with whether all were clean and the world was busy. */
export async function runSeeds(options: SeedsOptions): Promise<boolean> {
  const { from, count, minutes, world } = options;
  const coverage = new Coverage();
  const progress = new Progress();
  const failed: SeedResult[] = [];
  const begin = performance.now();
  const known = options.regressions ? regressions().map(({ seed }) => seed) : [];
  let handed = 0;
  const next = (): readonly number[] => {
    const seeds = known.splice(0, BATCH);
    const over = failed.length >= 10 || performance.now() - begin > minutes * 60_000;
    while (!over && seeds.length < BATCH && handed < count) {
      seeds.push(from + handed);
      handed += 1;
    }
    return seeds;
  };
  const result = (one: SeedResult): void => {
    coverage.add(one.events, one.elapsed, one.counts);
    if (one.violation !== undefined) {
      failed.push(one);
      progress.clear();
      console.log(`seed ${one.seed} after ${Math.round(one.elapsed)} ms: ${one.violation.message}`);
    }
    progress.show(() => `${coverage.seeds} seeds, ${failed.length} failed, ${rate(coverage.events, begin)}`);
  };
  await runPool({ options: world, next, result });
  progress.clear();
  report(coverage, begin);
  for (const line of coverage.missing) console.log(`TOO QUIET: ${line}`);
  for (const { seed, violation } of failed.slice(0, 3)) {
    if (violation === undefined) continue;
    const shrunk = shrink(seed, violation.invariant, world);
    console.log(`\n${shrunk.outcome.violation?.message}\n  ${replayCommand(shrunk)}`);
  }
  return failed.length === 0 && coverage.missing.length === 0;
}

function rate(events: number, begin: number): string {
  return `${Math.round(events / (performance.now() - begin))} thousand events/s`;
}

function report({ seeds, events, elapsed, rates }: Coverage, begin: number): void {
  const hours = (elapsed / 3_600_000).toFixed(1);
  const perSeed = Math.round(events / Math.max(1, seeds));
  console.log(
    `${seeds} seeds, ${hours} simulated hours, ${perSeed} events a seed, ${rate(events, begin)} on all cores`,
  );
  const counts = (Object.entries(rates) as [keyof Counts, number][]).map(([name, value]) => `${name} ${value}`);
  console.log(`per 1,000 seeds: ${counts.join(', ')}`);
}
