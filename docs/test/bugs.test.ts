import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { INVARIANTS } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';
import { mutants } from '../../apps/sim/src/mutants/list.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

function filesOf(folder: string, ending: string): string[] {
  const all = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return all.filter((path) => path.endsWith(ending) && !path.includes('node_modules') && !path.includes('dist/'));
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const page = read('docs/bugs.md');
/** Sources by the name of the test; what shares one is searched as one. */
const tests = new Map<string, string>();
for (const path of ['packages', 'apps'].flatMap((folder) => filesOf(folder, '.ts').map((name) => join(folder, name)))) {
  const name = path.includes('/conformance/') ? 'conformance' : basename(path).replace(/(\.process)?\.test\.ts$/, '');
  if (!name.endsWith('.ts')) tests.set(name, (tests.get(name) ?? '') + read(path));
}
const sources = filesOf('packages', '.ts')
  .filter((path) => path.includes('/src/'))
  .map((path) => read(join('packages', path)))
  .join('\n');
const rules = read('.oxlintrc.json') + read('package.json').replace('knip', 'unused exports fail');

/** Whether what a reference names is there. */
function exists(kind: string, name: string): boolean {
  if (kind === 'mutant') return mutants.some((mutant) => mutant.name === name);
  if (kind === 'invariant') return INVARIANTS.some((invariant) => invariant === name);
  if (kind === 'lint') return rules.includes(name);
  if (kind === 'type') return new RegExp(`(class|interface|type) ${name}\\b`).test(sources);
  return tests.get(kind)?.includes(name) ?? false;
}

/** `1-3, 5` of a letter: all of them. */
function ids(letter: string, ranges: string): string[] {
  return ranges.split(', ').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => `${letter}${from + i}`);
  });
}

describe('the list of bugs', () => {
  it('names only tests, mutants, invariants, rules and types that are there', () => {
    const references = [...page.matchAll(/`([\w-]+) › ([^`]+)`/g)];
    expect(references.length).toBeGreaterThan(200);
    const wrong = references.filter(([, kind = '', name = '']) => !exists(kind, name)).map(([text]) => text);
    expect(wrong).toEqual([]);
  });

  it('has each of them, with something that keeps it out', () => {
    const rows = new Map(
      page.split('\n').flatMap((line) => {
        const id = /^\| (\w+)\s*\|/.exec(line)?.[1];
        return id === undefined ? [] : [[id, line] as const];
      }),
    );
    const all = [
      ...ids('S', '1-5, 10-13'),
      ...ids('D', '1-7, 12, 15, 16'),
      ...ids('L', '4-10, 12-17'),
      ...ids('C', '2-6, 8, 10'),
      ...ids('P', '1-4'),
      ...ids('O', '2'),
      ...ids('', '1-9, 11-19, 22, 23, 25-36, 38, 39, 41, 43-59, 63, 65, 68, 69, 110-113, 115-121, 123, 125-130'),
    ];
    expect(all.filter((id) => !rows.get(id)?.includes(' › '))).toEqual([]);
  });
});
