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
  /** The first seed to run. */
  readonly from: number;
  /** Maximum number of seeds to run. */
  readonly count: number;
  /**
   * Minutes after which no more seeds are started, unless fewer than `least` seeds have been
   * started.
   */
  readonly minutes: number;
  readonly least: number;
  /** Options for every world of the run. */
  readonly options: Omit<Options, 'trace'>;
  /** The commit to record with the run in `runs.md`. If undefined, the run is not recorded. */
  readonly recordCommit: string | undefined;
  /** Whether to run the seeds in `regressions.json` first. */
  readonly regressions: boolean;
}

interface Regression {
  readonly world: World;
  /** The kind of the nodes' stores. Default: `fs`. */
  readonly storage?: Storage;
  readonly seed: number;
  readonly found: string;
}

function regressions(world: World, storage: Storage): number[] {
  const all = JSON.parse(readFileSync(new URL('../regressions.json', import.meta.url), 'utf8')) as Regression[];
  return all
    .filter((regression) => regression.world === world && (regression.storage ?? 'fs') === storage)
    .map(({ seed }) => seed);
}

const BATCH = 5;

/**
 * Runs many seeds. Resolves with true if all seeds were clean and all event counts reached their
 * minimums.
 */
export async function runSeeds(run: SeedsOptions): Promise<boolean> {
  const { world, from, count, minutes, least, options } = run;
  const { storage = 'fs' } = options;
  const coverage = new Coverage(world);
  const progress = new Progress();
  const failed: SeedResult[] = [];
  const start = performance.now();
  const known = run.regressions ? regressions(world, storage) : [];
  let started = 0;
  let stopped = false;
  const stop = (): void => {
    stopped = true;
    progress.clear();
    console.log('stopping after the running worlds finish');
  };
  // An interrupted run still reports its results.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  const nextSeeds = (): readonly number[] => {
    const seeds = known.splice(0, BATCH);
    const timeIsUp = performance.now() - start > minutes * 60_000 && started >= least;
    const over = stopped || failed.length >= 10 || timeIsUp;
    while (!over && seeds.length < BATCH && started < count) {
      seeds.push(from + started);
      started += 1;
    }
    return seeds;
  };
  const onResult = (result: SeedResult): void => {
    coverage.add(result.events, result.elapsed, result.counts);
    if (result.violation !== undefined) {
      failed.push(result);
      progress.clear();
      console.log(`seed ${result.seed} after ${Math.round(result.elapsed)} ms: ${result.violation.message}`);
    }
    progress.show(() => `${coverage.seeds} seeds, ${failed.length} failed, ${rate(coverage.events, start)}`);
  };
  await runPool({ world, options, nextSeeds, onResult });
  progress.clear();
  const hours = coverage.elapsed / 3_600_000;
  report(coverage, hours, start);
  for (const line of coverage.missing) console.log(`TOO FEW EVENTS: ${line}`);
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

function rate(events: number, start: number): string {
  return `${Math.round(events / (performance.now() - start))} thousand events/s`;
}

function report({ seeds, events, summary }: Coverage, hours: number, start: number): void {
  const perSeed = Math.round(events / Math.max(1, seeds));
  console.log(
    `${seeds} seeds, ${hours.toFixed(1)} simulated hours, ${perSeed} events per seed, ${rate(events, start)} on all cores`,
  );
  console.log(`per 1,000 seeds: ${summary}`);
}
