// Shows that no regular expression in the packages or the demo backtracks on long input. Each one
// runs on adversarial strings of two lengths. If a regular expression is linear, its time grows
// with the length. If it backtracks, its time grows with the square of the length, or faster.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';
import { parseAst } from 'vite';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** How many times longer a long text is than a short one. */
const FACTOR = 16;
/**
 * How many times longer one run on a long text may take than `FACTOR` runs on a short text. A
 * linear expression takes about as long. An expression with quadratic time takes 16 times as long.
 */
const MAX_RATIO = 4;

/** Returns all regular expressions in a source file. */
function regexesOf(path: string): RegExp[] {
  const { code } = transformSync(readFileSync(path, 'utf8'), { loader: 'ts', target: 'es2022' });
  const found: RegExp[] = [];
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { regex } = node as { readonly regex?: { readonly pattern: string; readonly flags: string } };
    if (regex !== undefined) found.push(new RegExp(regex.pattern, regex.flags.replace(/[gy]/g, '')));
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseAst(code));
  return found;
}

/**
 * Returns strings of a given length. Each of them repeats one character of a pattern and ends with
 * another one.
 */
function adversariesOf({ source }: RegExp, length: number): string[] {
  const characters = [...new Set(`${source}a0 -\n`)].slice(0, 40);
  return characters.map((character) => `${character.repeat(length)}\u0001`);
}

/**
 * Returns the shortest of several measured times, because a busy machine affects that one the
 * least.
 */
function shortestTime(regex: RegExp, text: string, runs: number): number {
  const times = Array.from({ length: 3 }, () => {
    const start = performance.now();
    for (let i = 0; i < runs; i += 1) regex.exec(text);
    return performance.now() - start;
  });
  return Math.min(...times);
}

/** Returns whether the time of a regular expression grows faster than its input. */
function backtracks(regex: RegExp, length = 64 * 1024): boolean {
  const long = adversariesOf(regex, length);
  return adversariesOf(regex, length / FACTOR).some((short, i) =>
    [1, 2, 3].every(() => shortestTime(regex, long[i] as string, 1) > MAX_RATIO * shortestTime(regex, short, FACTOR)),
  );
}

const sources = ['packages', 'apps'].flatMap((kind) =>
  readdirSync(join(ROOT, kind)).flatMap((name) =>
    readdirSync(join(ROOT, kind, name, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(ROOT, kind, name, 'src', file)),
  ),
);
const regexes = new Map(sources.flatMap(regexesOf).map((regex) => [`${regex}`, regex]));

it('the search for backtracking finds a regular expression that backtracks', () => {
  expect(regexes.size).toBeGreaterThan(20);
  expect(backtracks(/\s+$/, 16 * 1024)).toBe(true);
  expect(backtracks(/^\s+$/)).toBe(false);
});

it('regular expressions take linear time on 64 KiB of adversarial input', () => {
  expect([...regexes].filter(([, regex]) => backtracks(regex)).map(([text]) => text)).toEqual([]);
});
