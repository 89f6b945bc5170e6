// Shows that only known packages become part of Kontiki's packages, that all of them come from the
// registry with a checksum, and that installing Kontiki runs no scripts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packages, ROOT } from './examples.js';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  readonly sideEffects: boolean;
  readonly type: string;
}

const manifestOf = (name: string): Manifest => JSON.parse(read(`packages/${name}/package.json`)) as Manifest;

/** The packages from elsewhere that users install with each package. All others have none. */
const foreign: Readonly<Record<string, readonly string[]>> = {
  'storage-level': ['abstract-level'],
  testing: ['abstract-level'],
  'transport-ws': ['@types/ws', 'ws'],
};

it.each(packages)('@kontiki/%s depends only on the packages that are listed for it', (name) => {
  const { dependencies, peerDependencies, optionalDependencies } = manifestOf(name);
  const all = Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies });
  expect(all.filter((other) => !other.startsWith('@kontiki/'))).toEqual(foreign[name] ?? []);
});

it.each(packages)('installing @kontiki/%s runs no scripts', (name) => {
  const scripts = Object.keys(manifestOf(name).scripts ?? {});
  expect(scripts.filter((script) => /install|^prepare|^dependencies$/.test(script))).toEqual([]);
});

it.each(packages)('@kontiki/%s lists the files to publish, and has no side effects', (name) => {
  expect(manifestOf(name)).toMatchObject({
    files: expect.arrayContaining(['dist', '!dist/.tsbuildinfo']),
    sideEffects: false,
    type: 'module',
  });
});

/** The entries of a section of pnpm's lock file: their names, and the lines below each name. */
function entriesOf(section: string): [name: string, lines: string][] {
  const [, body = ''] = new RegExp(`\\n${section}:\\n\\n([^]*?)\\n(?=\\S|$)`).exec(read('pnpm-lock.yaml')) ?? [];
  return body
    .split(/\n(?= {2}\S)/)
    .map((entry) => entry.trim().split('\n'))
    .map(([name = '', ...lines]) => [name.replace(/^'|'?:$/g, ''), lines.join('\n')]);
}

it('every package in the lock file comes from the registry and has a SHA-512 checksum', () => {
  const entries = entriesOf('packages');
  expect(entries.length).toBeGreaterThan(100);
  const wrong = entries.filter(
    ([name, lines]) =>
      !/^(@[\w.-]+\/)?[\w.-]+@\d[\w.+-]*$/.test(name) || !/resolution: \{integrity: sha512-[^,]+=*\}/.test(lines),
  );
  expect(wrong).toEqual([]);
});

it('the catalog names exact versions', () => {
  const [, catalog = ''] = /\ncatalog:\n((?: {2}.*\n)+)/.exec(read('pnpm-workspace.yaml')) ?? [];
  const versions = [...catalog.matchAll(/^ {2}\S+: (.+)$/gm)].map(([, version]) => version);
  expect(versions.length).toBeGreaterThan(10);
  expect(versions.filter((version) => !/^\d+\.\d+\.\d+$/.test(version ?? ''))).toEqual([]);
});

it('no dependency may run a build script', () => {
  // pnpm runs no scripts of dependencies unless they are listed under onlyBuiltDependencies.
  expect(read('pnpm-workspace.yaml')).not.toMatch(/onlyBuiltDependencies|dangerouslyAllowAllBuilds/);
});

it('the CI workflow has a read-only token', () => {
  expect(read('.github/workflows/ci.yml')).toMatch(/^permissions:\n {2}contents: read$/m);
});
