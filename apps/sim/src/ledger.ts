import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The long runs of this repo: one line each, written here only. */
const LEDGER = fileURLToPath(new URL('../ledger.md', import.meta.url));

/** One long run. */
export interface LedgerEntry {
  readonly world: string;
  readonly from: number;
  readonly seeds: number;
  readonly events: number;
  readonly hours: number;
  /** What happened, per 1,000 seeds. */
  readonly coverage: string;
  /** The failures: seed and invariant. */
  readonly found: readonly string[];
}

/** The commit that is checked out; undefined when there are changes that it does not have. */
export function checkedOut(): string | undefined {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { encoding: 'utf8', cwd: fileURLToPath(new URL('..', import.meta.url)) }).trim();
  return git('status', '--porcelain', '--untracked-files=no') === '' ? git('rev-parse', '--short', 'HEAD') : undefined;
}

export function ledgerLine(date: string, commit: string, entry: LedgerEntry): string {
  const { world, from, seeds, events, hours, coverage, found } = entry;
  const cells = [
    date,
    commit,
    world,
    seeds.toLocaleString('en'),
    `${from}`,
    (events / 1e6).toFixed(1),
    hours.toFixed(1),
    coverage,
    found.length === 0 ? 'clean' : found.join('; '),
  ];
  return `| ${cells.join(' | ')} |\n`;
}

/** Writes a run down. */
export function record(commit: string, entry: LedgerEntry): void {
  appendFileSync(LEDGER, ledgerLine(new Date().toISOString().slice(0, 10), commit, entry));
}
