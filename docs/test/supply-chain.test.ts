// Shows that Kontiki's packages depend only on known packages, and that installing Kontiki runs no
// scripts. Every dependency must come from the registry and have a checksum.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packages, ROOT } from './examples.js';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  readonly sideEffects: boolean;
  readonly type: string;
}

const manifestOf = (name: string): Manifest => JSON.parse(read(`packages/${name}/package.json`)) as Manifest;

/** The third-party packages that are installed with each package. All other packages have none. */
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

/**
 * Returns the entries in a section of pnpm's lock file, each as its name and the lines below the
 * name.
 */
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

it('every package takes the versions of its dependencies from the catalog', () => {
  const apps = readdirSync(join(ROOT, 'apps')).map((name) => `apps/${name}/`);
  const manifests = ['', ...packages.map((name) => `packages/${name}/`), ...apps].map(
    (folder) => JSON.parse(read(`${folder}package.json`)) as Manifest,
  );
  const versions = manifests.flatMap((manifest) =>
    Object.values({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies }),
  );
  expect(versions.length).toBeGreaterThan(50);
  expect(versions.filter((version) => !/^(catalog|workspace):/.test(version))).toEqual([]);
});

it('no dependency may run a build script', () => {
  // pnpm runs no scripts of dependencies unless one of these settings lists them.
  const settings = /onlyBuiltDependencies|allowBuilds|dangerouslyAllowAllBuilds/;
  for (const file of ['pnpm-workspace.yaml', 'package.json']) expect(read(file)).not.toMatch(settings);
});

it('every CI workflow has a read-only token', () => {
  const workflows = readdirSync(join(ROOT, '.github/workflows'));
  expect(workflows).toContain('ci.yml');
  for (const file of workflows) {
    const text = read(join('.github/workflows', file));
    expect(text).toMatch(/^permissions:\n {2}contents: read\n(?! )/m);
    expect(text.match(/^ *permissions:/gm)).toHaveLength(1);
  }
});

it('SECURITY.md links to the private form for vulnerabilities', () => {
  expect(read('SECURITY.md')).toMatch(/\(https:\/\/github\.com\/[^)]+\/security\/advisories\/new\)/);
});
