// Shows what npm would publish. Packs the built packages without writing the tarballs, and reads
// every file that a tarball would contain.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { packages, ROOT } from './examples.js';

/** The paths of the files that would be packed, by package folder. */
const packed = new Map<string, readonly string[]>();

beforeAll(() => {
  const folders = packages.map((name) => `./packages/${name}`);
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline', '--loglevel=silent', ...folders];
  const output = execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8' });
  for (const { name, files } of JSON.parse(output) as { name: string; files: { path: string }[] }[]) {
    packed.set(
      name.replace('@kontiki/', ''),
      files.map(({ path }) => path),
    );
  }
});

const filesOf = (name: string): readonly string[] => packed.get(name) ?? [];
const read = (name: string, path: string): string => readFileSync(join(ROOT, 'packages', name, path), 'utf8');

it.each(packages)('the tarball of @kontiki/%s has only its build, README, license and manifest', (name) => {
  const files = filesOf(name);
  const scripts = files.filter((path) => path.endsWith('.js'));
  const built = scripts.flatMap((path) => [path, `${path}.map`, path.replace(/\.js$/, '.d.ts')]);
  expect([...files].sort()).toEqual(['LICENSE', 'README.md', 'package.json', ...built].sort());
  expect(scripts.filter((path) => !/^dist\/([a-z0-9-]+\/)*[a-z0-9-]+\.js$/.test(path))).toEqual([]);
  const { exports } = JSON.parse(read(name, 'package.json')) as { exports: Record<string, { default: string }> };
  const entries = Object.values(exports).map((entry) => entry.default.replace('./', ''));
  expect(entries.filter((entry) => !files.includes(entry))).toEqual([]);
});

it.each(packages)('the source maps of @kontiki/%s contain their sources, which are all in src', (name) => {
  const maps = filesOf(name).filter((path) => path.endsWith('.map'));
  expect(maps.length).toBeGreaterThan(0);
  const wrong = maps.filter((path) => {
    const { sourceRoot, sources, sourcesContent } = JSON.parse(read(name, path)) as Record<string, string | string[]>;
    const [source = ''] = sources ?? [];
    const expected = relative(dirname(path), path.replace('dist/', 'src/').replace(/\.js\.map$/, '.ts'));
    return sourceRoot !== '' || sources?.length !== 1 || source !== expected || sourcesContent?.length !== 1;
  });
  expect(wrong).toEqual([]);
});

it.each(packages)('the tarball of @kontiki/%s has no private keys and no paths of this machine', (name) => {
  const wrong = filesOf(name).filter((path) => {
    const text = read(name, path);
    const here = [ROOT, `${homedir()}/`, 'file:///'].some((part) => text.includes(part));
    return here || /PRIVATE KEY-----|\/(home|Users)\/\w|\b[A-Z]:\\\\?\w/.test(text);
  });
  expect(wrong).toEqual([]);
});
