import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const regressions = JSON.parse(readFileSync(new URL('../regressions.json', import.meta.url), 'utf8')) as {
  readonly world: string;
  readonly storage?: string;
  readonly seed: number;
  readonly found: string;
  /** The bug, put in again. */
  readonly mutant: string;
}[];

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

function sim(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8' });
}

describe('the sim', () => {
  it('runs many seeds on all cores, one the same way as alone', () => {
    const { status, stdout } = sim('--seeds', '12', '--from', '3', '--regressions');
    expect(stdout).toMatch(/1[3-9] seeds, [\d.]+ simulated hours[^]*per 1,000 seeds: elections \d+/);
    expect(status).toBe(0);
    const [one, again] = [sim('--seed', '5'), sim('--seed', '5', '--trace')];
    const hash = /hash (\w{8})\nclean/.exec(one.stdout)?.[1];
    expect(hash).toBeDefined();
    expect(again.stdout).toContain(`hash ${hash}`);
    expect(again.stdout).toContain('everything heals');
  });

  it('finds a mutant, and says after how many seeds and by what', () => {
    const { status, stdout } = sim('mutants', 'leader counts its entries');
    expect(stdout).toMatch(/leader counts its entries before they are durable +\d+ seeds, by commitIsDurable/);
    expect(status).toBe(0);
  });

  it.each(regressions)('still finds what a kept seed once found: $found', ({ world, storage = 'fs', seed, mutant }) => {
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
    expect(stdout).toMatch(/ 1 seeds, by /);
    expect(status).toBe(0);
  });

  it.each([
    [['--seeds', 'many'], '--seeds must be a number, not "many". See: pnpm sim --help'],
    [['--seeds', '0'], '--seeds must be a whole number from 1 on, not "0".'],
    [['--seed', '1.5'], '--seed must be a whole number from 0 on, not "1.5".'],
    [['--seeds', '1e9999'], '--seeds must be a number'],
    [['--trace'], '--trace tells one world'],
    [['--without', 'rain'], '--without doesn\'t know "rain"'],
    [['--only', 'luck'], '--only doesn\'t know "luck"'],
    [['dance'], 'There is no command "dance".'],
    [['--wat'], "Unknown option '--wat'"],
    [['check'], 'check takes one file.'],
    [['mutants', 'unicorn'], "No mutant's name has unicorn in it."],
    [['--storage', 'clay'], '--storage doesn\'t know "clay"'],
    [['--world', 'flat'], '--world doesn\'t know "flat"'],
  ])('%j: one clear sentence and an exit code', (args, sentence) => {
    const { status, stderr } = sim(...args);
    expect(stderr).toContain(sentence);
    expect(status).toBe(2);
  });
});
