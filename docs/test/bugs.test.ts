// Shows that docs/bugs.md, docs/from-go-raft.md, docs/guarantees.md and docs/security.md are
// complete, and that every reference names something that exists. Reads the pages, all test sources,
// the mutants, the seeds and the lint rules.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { INVARIANTS, NODE_INVARIANTS } from '@kontiki/testing';
import { describe, expect, it } from 'vitest';
import { mutants as ofLevel } from '../../apps/sim/src/mutants/level.js';
import { mutants as ofNodes } from '../../apps/sim/src/mutants/nodes.js';
import { mutants as ofProtocol } from '../../apps/sim/src/mutants/protocol.js';
import { mutants as ofSnapshots } from '../../apps/sim/src/mutants/snapshots.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

function filesOf(folder: string, ending: string): string[] {
  const all = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return all.filter((path) => path.endsWith(ending) && !path.includes('node_modules') && !path.includes('dist/'));
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const page = read('docs/bugs.md');
const sources = filesOf('packages', '.ts')
  .filter((path) => path.includes('/src/'))
  .map((path) => read(join('packages', path)))
  .join('\n');
const seeds = JSON.parse(read('apps/sim/regressions.json')) as readonly { readonly seed: number }[];
const lint = (JSON.parse(read('package.json')) as { readonly scripts: { readonly lint: string } }).scripts.lint;

const oxlint = read('.oxlintrc.json');
const invariants: readonly string[] = [...INVARIANTS, ...NODE_INVARIANTS];
/** Mutants that a world or a test must find. */
const mutants = [...ofProtocol, ...ofNodes, ...ofSnapshots, ...ofLevel].filter(
  ({ equivalent }) => equivalent === undefined,
);

/**
 * Returns the titles of the tests and groups that run in a file. Ignores `it.skip`, `it.todo` and
 * comments.
 */
function titlesOf(source: string): string[] {
  const title =
    /^\s*(?:it|describe|test|tests\.testMedia|testAbility|testMedia|testHold)(?:\.(?:each|runIf)\b[^]*?\))?\((?:\s*'\w+',)?\s*(['"`])((?:\\.|(?!\1)[^\\])+)\1/gm;
  return [...source.matchAll(title)].map(([, , text = '']) => text);
}

/** Titles of tests and groups, by the base name of the file that contains them. */
const tests = new Map<string, string[]>();
for (const folder of ['packages', 'apps', 'examples', 'docs/test']) {
  for (const path of filesOf(folder, '.test.ts')) {
    const name = basename(path).replace(/(\.process)?\.test\.ts$/, '');
    tests.set(name, [...(tests.get(name) ?? []), ...titlesOf(read(join(folder, path)))]);
  }
}

// Tests that run for every transport.
for (const path of filesOf('packages/peers/test/transports', '.ts')) {
  const name = basename(path, '.ts');
  tests.set(name, [...(tests.get(name) ?? []), ...titlesOf(read(join('packages/peers/test/transports', path)))]);
}

// All conformance suites share the name `conformance`.
for (const path of filesOf('packages/testing/src/conformance', '.ts')) {
  const titles = titlesOf(read(join('packages/testing/src/conformance', path)));
  tests.set('conformance', [...(tests.get('conformance') ?? []), ...titles]);
}

/**
 * Returns whether a lint rule is enabled as an error. `name` is its name or its message.
 */
function isLintError(name: string): boolean {
  if (name === 'unused exports fail') return /\bknip\b/.test(lint);
  return oxlint.includes(name.includes('/') ? `"${name}": "error"` : name);
}

/** Returns whether a reference's target exists. */
function exists(kind: string, name: string): boolean {
  if (kind === 'mutant') return mutants.some((mutant) => mutant.name === name);
  if (kind === 'invariant') return invariants.includes(name);
  if (kind === 'seed') return seeds.some(({ seed }) => `${seed}` === name);
  if (kind === 'lint') return isLintError(name);
  if (kind === 'type')
    return new RegExp(`^export (?:abstract )?(?:class|interface|type) ${name}\\b`, 'm').test(sources);
  return tests.get(kind)?.some((title) => title.startsWith(name)) ?? false;
}

/** Returns all ids in ranges: `ids('S', '1-3, 5')` is S1, S2, S3 and S5. */
function ids(letter: string, ranges: string): string[] {
  return ranges.split(', ').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => `${letter}${from + i}`);
  });
}

type Reference = readonly [kind: string, name: string];

/** Returns each bug's references, by the bug's id. A bug is a heading of level three. */
function bugsOf(page: string): Map<string, readonly Reference[]> {
  const bugs = new Map<string, Reference[]>();
  let references: Reference[] | undefined;
  for (const line of page.split('\n')) {
    if (line.startsWith('#')) {
      const [, id] = /^### (\w+)$/.exec(line) ?? [];
      if (id === undefined && line.startsWith('###')) throw new Error(`"${line}" is not the heading of a bug`);
      references = id === undefined ? undefined : [];
      if (id === undefined || references === undefined) continue;
      if (bugs.has(id)) throw new Error(`${id} has two headings`);
      bugs.set(id, references);
    } else if (references !== undefined && (line.includes('›') || /^\s*[-*+] /.test(line))) {
      const [, kind, name] = /^- `([\w-]+) › ([^`]+)`$/.exec(line) ?? [];
      if (kind === undefined || name === undefined) throw new Error(`"${line}" is not a reference`);
      references.push([kind, name]);
    }
  }
  return bugs;
}

const bugs = bugsOf(page);

describe('docs/bugs.md', () => {
  it('bugs.md names only tests, mutants, invariants, seeds and rules that exist', () => {
    const references = [...bugs.values()].flat();
    expect(references.length).toBeGreaterThan(350);
    expect(references.filter(([kind, name]) => !exists(kind, name))).toEqual([]);
  });

  it('bugs.md has an entry for every known bug id', () => {
    const all = [
      ...ids('S', '1-13'),
      ...ids('D', '1-16'),
      ...ids('L', '1-10, 12-17'),
      ...ids('C', '1-8, 10'),
      ...ids('P', '1-4'),
      ...ids('O', '2'),
      ...ids('', '1-19, 22, 23, 25-36, 38-63, 65-72, 74-94, 110-121, 123, 125-130'),
    ];
    expect(all.filter((id) => !bugs.has(id))).toEqual([]);
  });

  it('bugs.md names more than just an invariant for each bug', () => {
    const withInvariantsOnly = [...bugs].filter(([, references]) => references.every(([kind]) => kind === 'invariant'));
    expect(withInvariantsOnly).toEqual([]);
  });

  it('bugs.md names every seed in regressions.json', () => {
    const named = [...bugs.values()].flat().flatMap(([kind, name]) => (kind === 'seed' ? [name] : []));
    expect(seeds.map(({ seed }) => `${seed}`).filter((seed) => !named.includes(seed))).toEqual([]);
  });

  it('the parser throws for a malformed reference or heading and for a duplicate id', () => {
    expect(bugsOf('### 1\n\n- `a › b`\n')).toEqual(new Map([['1', [['a', 'b']]]]));
    expect(() => bugsOf('### 1\n\n- a › b\n')).toThrow('"- a › b" is not a reference');
    expect(() => bugsOf('### 1\n\n  - `a › b`\n')).toThrow('is not a reference');
    expect(() => bugsOf('### 1 and 2\n')).toThrow('is not the heading of a bug');
    expect(() => bugsOf('### 1\n### 1\n')).toThrow('1 has two headings');
  });

  it('the title search ignores skipped tests and comments', () => {
    const source =
      "it.skip('a', f);\n  it.todo('b');\n// it('c')\n  it('d, and more', f);\nit.each([\n  [1],\n])('e %i', f);";
    expect(titlesOf(source)).toEqual(['d, and more', 'e %i']);
  });
});

describe('docs/security.md', () => {
  const rows = [...read('docs/security.md').matchAll(/^\| (\d+) .*\|$/gm)].map(
    ([row, number]) => [Number(number), [...row.matchAll(/`([\w-]+) › ([^`]+)`/g)]] as const,
  );

  it('security.md has a row with tests for every rule', () => {
    expect(rows.map(([number]) => number)).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
    expect(rows.filter(([, references]) => references.length === 0)).toEqual([]);
  });

  it('security.md names only tests that exist', () => {
    const references = rows.flatMap(([, all]) => all.map(([, kind = '', name = '']) => [kind, name] as const));
    expect(references.filter(([kind, name]) => !exists(kind, name))).toEqual([]);
  });
});

/** Returns the references in a text. Throws if one of them is malformed. */
function referencesIn(text: string): Reference[] {
  return [...text.matchAll(/`([^`]*›[^`]*)`/g)].map(([, reference = '']) => {
    const [, kind, name] = /^([\w-]+) › (.+)$/.exec(reference) ?? [];
    if (kind === undefined || name === undefined) throw new Error(`"${reference}" is not a reference`);
    return [kind, name];
  });
}

/** Returns the repository paths that a text contains in backquotes. */
function pathsIn(text: string): string[] {
  return [...text.matchAll(/`((?:apps|docs|examples|packages)\/[^`\s]+)`/g)].map(([, path = '']) => path);
}

/** Returns whether a reference exists. A reference to a test must be its whole title. */
const existsExactly = ([kind, name]: Reference): boolean => tests.get(kind)?.includes(name) ?? exists(kind, name);

/** Returns whether a page has a heading with an anchor. GitHub derives anchors from headings. */
function hasAnchor(path: string, anchor: string): boolean {
  const headings = [...read(path).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) => text.toLowerCase());
  return headings.some((text) => text.replace(/[^\w\- ]/g, '').replaceAll(' ', '-') === anchor);
}

/** Returns the links of a page in `docs` to this repository, as paths with anchors. */
function linksIn(text: string): (readonly [path: string, anchor: string])[] {
  const links = text.matchAll(/\]\((?!https:)([^)#]+)#?([^)]*)\)/g);
  return [...links].map(([, path = '', anchor = '']) => [join('docs', path), anchor] as const);
}

const isBroken = ([path, anchor]: readonly [string, string]): boolean =>
  !existsSync(join(ROOT, path)) || (anchor !== '' && !hasAnchor(path, anchor));

it('guides name only tests that exist, by their full titles', () => {
  const references = filesOf('docs/guides', '.md').flatMap((path) => referencesIn(read(join('docs/guides', path))));
  expect(references.length).toBeGreaterThan(5);
  expect(references.filter(([kind, name]) => !(tests.get(kind)?.includes(name) ?? false))).toEqual([]);
});

describe('docs/from-go-raft.md', () => {
  const text = read('docs/from-go-raft.md');
  const section = (heading: string): string => text.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const features = section('Features')
    .split(/\n(?=\d+\. )/)
    .slice(1);
  const guards = section('The 69 bugs')
    .split(/\n(?=- )/)
    .slice(1);

  it('from-go-raft.md names only tests that exist, by their full titles', () => {
    const references = referencesIn(text.replace('`file › title`', ''));
    expect(references.length).toBeGreaterThan(150);
    expect(references.filter((reference) => !existsExactly(reference))).toEqual([]);
  });

  it('from-go-raft.md names only paths and links that exist', () => {
    expect(pathsIn(text).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
    const links = linksIn(text);
    expect(links.length).toBeGreaterThan(80);
    expect(links.filter(isBroken)).toEqual([]);
  });

  it('from-go-raft.md has a path and a test for every feature', () => {
    expect(features.map((feature) => parseInt(feature))).toEqual(Array.from({ length: 54 }, (_, i) => i + 1));
    const bare = features.filter((feature) => pathsIn(feature).length === 0 || referencesIn(feature).length === 0);
    expect(bare).toEqual([]);
  });

  it('from-go-raft.md has a guard for each of the 69 bugs', () => {
    const all = [
      ...ids('S', '1-13'),
      ...ids('D', '1-16'),
      ...ids('L', '1-17'),
      ...ids('M', '1-7'),
      ...ids('C', '1-10'),
      ...ids('P', '1-4'),
      ...ids('O', '1-2'),
    ];
    expect(guards.map((guard) => /^- \[?(\w+)/.exec(guard)?.[1])).toEqual(all);
    expect(guards.filter((guard) => referencesIn(guard).length !== 1)).toEqual([]);
  });
});

describe('docs/guarantees.md', () => {
  const text = read('docs/guarantees.md');
  const [, body = ''] = text.split('\n## Fault model\n');
  const items = body.split(/\n(?=- |\n)/);
  const promises = items.filter((item) => item.startsWith('- **G'));
  const rules = items.filter((item) => item.startsWith('- **I'));
  const numbers = (all: readonly unknown[]): string[] => all.map((_, i) => `${i + 1}`);

  it('guarantees.md names only tests, mutants and invariants that exist, by their whole titles', () => {
    const references = referencesIn(body);
    expect(references.length).toBeGreaterThan(100);
    expect(references.filter((reference) => !existsExactly(reference))).toEqual([]);
  });

  it('guarantees.md names only links that exist', () => {
    expect(linksIn(body).filter(isBroken)).toEqual([]);
  });

  it('guarantees.md numbers its promises, and names more than an invariant for each', () => {
    expect(promises.length).toBeGreaterThan(35);
    expect(promises.map((item) => /^- \*\*G(\d+)\.\*\* /.exec(item)?.[1])).toEqual(numbers(promises));
    const bare = promises.filter((item) => referencesIn(item).every(([kind]) => kind === 'invariant'));
    expect(bare).toEqual([]);
  });

  it('guarantees.md lists every invariant, with a source and a mutant that worlds find', () => {
    const heads = rules.map((item) => /^- \*\*I(\d+) `(\w+)`\.\*\* [^]* Source:\s/.exec(item) ?? []);
    expect(heads.map(([, number]) => number)).toEqual(numbers(rules));
    expect(heads.map(([, , name = '']) => name).toSorted()).toEqual(invariants.toSorted());
    const found = mutants.filter(({ rare }) => rare === undefined).map(({ name }) => `mutant › ${name}`);
    const without = rules.filter(
      (item) => !referencesIn(item).some((reference) => found.includes(reference.join(' › '))),
    );
    expect(without).toEqual([]);
  });

  it('guarantees.md lists exactly the invariants of the full world under its heading', () => {
    const [, section = ''] = body.split('\n### In the full world only\n');
    expect([...section.matchAll(/^- \*\*I\d+ `(\w+)`/gm)].map(([, name]) => name)).toEqual(NODE_INVARIANTS);
  });
});
