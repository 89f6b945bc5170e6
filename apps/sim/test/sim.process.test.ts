import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const regressions = JSON.parse(readFileSync(new URL('../regressions.json', import.meta.url), 'utf8')) as {
  readonly world: string;
  readonly storage?: string;
  readonly seed: number;
  readonly found: string;
  /** The mutant that reintroduces the bug. */
  readonly mutant: string;
}[];

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

function sim(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 });
}

describe('the sim command', () => {
  it('sim runs many seeds, and one seed gives the same hash each time', () => {
    const { status, stdout } = sim('--seeds', '12', '--from', '3', '--regressions');
    expect(stdout).toMatch(/1[3-9] seeds, [\d.]+ simulated hours[^]*per 1,000 seeds: elections \d+/);
    expect(status).toBe(0);
    const [plain, traced] = [sim('--seed', '5'), sim('--seed', '5', '--trace')];
    const hash = /hash (\w{8})\nclean/.exec(plain.stdout)?.[1];
    expect(hash).toBeDefined();
    expect(traced.stdout).toContain(`hash ${hash}`);
    expect(traced.stdout).toContain('all faults end');
  });

  it('sim mutants prints the number of seeds and the invariant that found a mutant', () => {
    const { status, stdout } = sim('mutants', 'leader counts its entries');
    expect(stdout).toMatch(
      /leader counts its entries before they are durable +found by commitIsDurable \(seeds: \d+\)/,
    );
    expect(status).toBe(0);
  });

  it.each(regressions)('a regression seed finds its bug again: $found', ({ world, storage = 'fs', seed, mutant }) => {
    const { status, stdout } = sim(
      'mutants',
      mutant,
      '--world',
      world,
      '--storage',
      storage,
      '--from',
      `${seed}`,
      '--seeds',
      '2',
    );
    expect(stdout).toMatch(/ found by .* \(seeds: 1\)/);
    expect(status).toBe(0);
  });

  it.each([
    [['--seeds', 'many'], '--seeds must be a number, not "many". See: npx -y pnpm@10.34.9 sim --help'],
    [['--seeds', '0'], '--seeds must be a whole number of at least 1, not "0".'],
    [['--seed', '1.5'], '--seed must be a whole number of at least 0, not "1.5".'],
    [['--seeds', '1e9999'], '--seeds must be a number'],
    [['--trace'], '--trace prints one world, so it needs --seed.'],
    [['--without', 'rain'], '--without has no value "rain".'],
    [['--only', 'luck'], '--only has no value "luck".'],
    [['dance'], 'There is no command "dance".'],
    [['--wat'], "Unknown option '--wat'"],
    [['check'], 'check needs exactly one file.'],
    [['mutants', 'unicorn'], 'No mutant name contains unicorn.'],
    [['--storage', 'clay'], '--storage has no value "clay".'],
    [['--world', 'flat'], '--world has no value "flat".'],
  ])('sim prints one sentence and exits with 2 for an invalid command line: %j', (args, sentence) => {
    const { status, stderr } = sim(...args);
    expect(stderr).toContain(sentence);
    expect(status).toBe(2);
  });

  it.each([
    [[], 'Runs Kontiki in simulated worlds'],
    [['mutants'], 'Injects one bug at a time'],
    [['check'], 'Checks a history for linearizability'],
  ])('sim %j --help prints its own help', (args, sentence) => {
    const { status, stdout } = sim(...args, '--help');
    expect([status, stdout]).toEqual([0, expect.stringMatching(new RegExp(`^${sentence}`))]);
  });
});
