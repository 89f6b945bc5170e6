import { readFileSync } from 'node:fs';
import { Coverage } from './coverage.js';
import { runPool } from './pool.js';
import { Progress } from './progress.js';
import { recordRun } from './runs.js';
import { replayCommand, shrink } from './shrink.js';
import type { SeedResult } from './worker.js';
import type { Options, Storage, World } from './worlds.js';

export interface SeedsOptions {
  readonly world: World;
  readonly from: number;
  /** How many; with `minutes`, no more than fit, but `least` at the least. */
  readonly count: number;
  readonly minutes: number;
  readonly least: number;
  /** What all of them are like. */
  readonly options: Omit<Options, 'tell'>;
  /** The commit to record the run under in `runs.md`. If undefined, the run is not recorded. */
  readonly recordCommit: string | undefined;
  /** Begins with the seeds that ever found a bug. */
  readonly regressions: boolean;
}

interface Regression {
  readonly world: World;
  /** Default: `fs`. */
  readonly storage?: Storage;
  readonly seed: number;
  readonly found: string;
}

function regressions(world: World, storage: Storage): number[] {
  const all = JSON.parse(readFileSync(new URL('../regressions.json', import.meta.url), 'utf8')) as Regression[];
  return all.filter((one) => one.world === world && (one.storage ?? 'fs') === storage).map(({ seed }) => seed);
}

const BATCH = 5;

/** Runs many seeds; resolves with whether all were clean and the world was busy. */
export async function runSeeds(run: SeedsOptions): Promise<boolean> {
  const { world, from, count, minutes, least, options } = run;
  const { storage = 'fs' } = options;
  const coverage = new Coverage(world);
  const progress = new Progress();
  const failed: SeedResult[] = [];
  const begin = performance.now();
  const known = run.regressions ? regressions(world, storage) : [];
  let handed = 0;
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    progress.clear();
    console.log('stops behind what is under way');
  };
  // Who has waited long for a run wants to know what came of it all the same.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  const next = (): readonly number[] => {
    const seeds = known.splice(0, BATCH);
    const late = performance.now() - begin > minutes * 60_000 && handed >= least;
    const over = stopped || failed.length >= 10 || late;
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
  await runPool({ world, options, next, result });
  progress.clear();
  const hours = coverage.elapsed / 3_600_000;
  report(coverage, hours, begin);
  for (const line of coverage.missing) console.log(`TOO QUIET: ${line}`);
  for (const { seed, violation } of failed.slice(0, 3)) {
    if (violation === undefined) continue;
    const shrunk = await shrink(world, seed, violation.invariant, options);
    console.log(`\n${shrunk.outcome.violation?.message}\n  ${replayCommand(shrunk)}`);
  }
  if (run.recordCommit !== undefined) {
    const { seeds, events, summary } = coverage;
    const failures = failed.map(({ seed, violation }) => `seed ${seed}: ${violation?.invariant}`);
    recordRun(run.recordCommit, {
      world: storage === 'fs' ? world : `${world}, ${storage}`,
      from,
      seeds,
      events,
      hours,
      coverage: summary,
      failures,
    });
  }
  return failed.length === 0 && coverage.missing.length === 0;
}

function rate(events: number, begin: number): string {
  return `${Math.round(events / (performance.now() - begin))} thousand events/s`;
}

function report({ seeds, events, summary }: Coverage, hours: number, begin: number): void {
  const perSeed = Math.round(events / Math.max(1, seeds));
  console.log(
    `${seeds} seeds, ${hours.toFixed(1)} simulated hours, ${perSeed} events a seed, ${rate(events, begin)} on all cores`,
  );
  console.log(`per 1,000 seeds: ${summary}`);
}
