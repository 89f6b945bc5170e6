import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Path of the file that records runs, one per line. Only this module writes to the file. */
const RUNS_FILE = fileURLToPath(new URL('../runs.md', import.meta.url));

/** A run of many seeds, as recorded in `runs.md`. */
export interface Run {
  readonly world: string;
  readonly from: number;
  readonly seeds: number;
  readonly events: number;
  readonly hours: number;
  /** Event counts per 1,000 seeds, as text. */
  readonly coverage: string;
  /** The failing seeds, each with the invariant that was broken. */
  readonly failures: readonly string[];
}

/** Returns the current commit, or undefined if tracked files have uncommitted changes. */
export function cleanCommit(): string | undefined {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { encoding: 'utf8', cwd: fileURLToPath(new URL('..', import.meta.url)) }).trim();
  return git('status', '--porcelain', '--untracked-files=no') === '' ? git('rev-parse', '--short', 'HEAD') : undefined;
}

export function runLine(date: string, commit: string, run: Run): string {
  const { world, from, seeds, events, hours, coverage, failures } = run;
  const cells = [
    date,
    commit,
    world,
    seeds.toLocaleString('en'),
    `${from}`,
    (events / 1e6).toFixed(1),
    hours.toFixed(1),
    coverage,
    failures.length === 0 ? 'clean' : failures.join('; '),
  ];
  return `| ${cells.join(' | ')} |\n`;
}

/** Appends a run to the file. */
export function recordRun(commit: string, run: Run): void {
  appendFileSync(RUNS_FILE, runLine(new Date().toISOString().slice(0, 10), commit, run));
}
