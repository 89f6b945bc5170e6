// Shows that each package works outside the workspace. `pnpm pack` packs each package, npm installs
// it in an empty project, and the first example in its README runs there.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { examples, packages, ROOT, run, runsAsPrinted, type Exit } from './examples.js';

/** Folder for the tarballs and for the projects in which they are installed. */
const folder = mkdtempSync(join(tmpdir(), 'kontiki-packages-'));
const tarballs = new Map<string, string>();

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  /** The optional peer dependencies. */
  readonly peerDependenciesMeta?: Readonly<Record<string, unknown>>;
}

const read = (path: string): Manifest => JSON.parse(readFileSync(path, 'utf8')) as Manifest;
const manifests = new Map(
  packages.map((name) => [`@kontiki/${name}`, read(join(ROOT, 'packages', name, 'package.json'))]),
);

beforeAll(async () => {
  const args = ['-y', 'pnpm@10.34.9', '-r', '--filter', './packages/*', 'pack', '--pack-destination', folder];
  const { code, output } = await run('npx', args, ROOT);
  expect(code, output).toBe(0);
  const files = readdirSync(folder);
  for (const [name, { version }] of manifests) {
    const file = `${name.slice(1).replace('/', '-')}-${version}.tgz`;
    expect(files).toContain(file);
    tarballs.set(name, join(folder, file));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * Returns a package and all Kontiki packages on which it depends, directly or indirectly, including
 * peer dependencies.
 */
function closure(name: string): string[] {
  const { dependencies, peerDependencies } = manifests.get(name) ?? {};
  const needed = Object.keys({ ...dependencies, ...peerDependencies }).filter((other) => manifests.has(other));
  return [...new Set([name, ...needed.flatMap(closure)])];
}

/** Returns the packages that an example imports, except for Node's built-in modules. */
function imported(code: string): string[] {
  const names = [...code.matchAll(/from '([^'.][^']*)'/g)].map(([, path = '']) => path);
  const roots = names.map((path) => path.split('/', path.startsWith('@') ? 2 : 1).join('/'));
  return [...new Set(roots)].filter((name) => !name.startsWith('node:'));
}

async function install(project: string, names: readonly string[]): Promise<void> {
  const packed = names.map((name) => tarballs.get(name) ?? name);
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  const { code, output }: Exit = await run('npm', ['install', ...quiet, ...packed], project);
  expect(code, output).toBe(0);
}

async function loads(project: string, entries: readonly string[]): Promise<void> {
  const program = entries.map((entry) => `await import('${entry}');`).join('\n');
  const { code, output } = await run(process.execPath, ['--input-type=module', '--eval', program], project);
  expect(code, output).toBe(0);
}

test.each(packages)('%s installs with npm alone, loads and runs its first README example', async (short) => {
  const name = `@kontiki/${short}`;
  const project = join(folder, short);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));

  // Install only the declared dependencies first. Entry points that need an optional peer
  // dependency are loaded later.
  await install(project, closure(name));
  const { exports, peerDependenciesMeta: optional = {} } = manifests.get(name) as Manifest;
  await loads(project, [name]);
  if (Object.keys(optional).length > 0) await install(project, Object.keys(optional));
  const entries = Object.keys(exports).map((path) => name + path.slice(1));
  await loads(project, entries);
  const held = readdirSync(join(project, 'node_modules/@kontiki')).map((other) => `@kontiki/${other}`);
  expect(held.sort()).toEqual(closure(name).sort());
  const files = readdirSync(join(project, 'node_modules', name));
  expect(files.sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
  const dist = join(project, 'node_modules', name, 'dist');
  const built = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(built.map((file) => file.name).filter((file) => !/^[a-z0-9-]+(\.js|\.js\.map|\.d\.ts)$/.test(file))).toEqual(
    [],
  );
  // The tarball has no sources, so the source maps must contain them.
  const maps = built.filter((file) => file.name.endsWith('.map')).map((file) => join(file.parentPath, file.name));
  expect(maps.filter((map) => !readFileSync(map, 'utf8').includes('"sourcesContent"'))).toEqual([]);

  const [code = ''] = examples(`packages/${short}/README.md`);
  const others = imported(code).filter((other) => !held.includes(other));
  if (others.length > 0)
    await install(project, [...new Set(others.flatMap((other) => (manifests.has(other) ? closure(other) : other)))]);
  await runsAsPrinted(code, join(project, 'example.mts'), project);
});

const compiled = packages.filter((short) => short !== 'testing');

/** Compiler options for two kinds of projects that import ES modules. */
const MODES = [
  ['nodenext', { module: 'nodenext', moduleResolution: 'nodenext' }],
  ['bundler', { module: 'esnext', moduleResolution: 'bundler' }],
] as const;

/** A typed state machine, with a call that must not compile. */
const TYPED = `import { defineStateMachine, type TypedNode } from '@kontiki/core';
export const counter = defineStateMachine({
  initial: () => ({ total: 0 }),
  commands: { add: (state, amount: number) => (state.total += amount), reset: (state) => void (state.total = 0) },
  queries: { total: (state) => state.total },
});
export async function use(node: TypedNode<typeof counter>): Promise<number> {
  await node.execute('reset');
  // @ts-expect-error The input has the wrong type.
  await node.execute('add', '5');
  const { result } = await node.execute('add', 5, { timeout: 1_000 });
  return result + (await node.query('total')).result;
}
`;

/**
 * Writes three kinds of projects: the first example of each package, a typed state machine, and
 * core alone in a browser. Omits the test suites, because their types come from a test runner.
 * Returns the names of the projects.
 */
function projects(folderOfProject: string): string[] {
  const files = compiled.flatMap((short) => {
    const [code] = examples(`packages/${short}/README.md`);
    if (code === undefined) return [];
    writeFileSync(join(folderOfProject, `${short}.mts`), code);
    return [`${short}.mts`];
  });
  writeFileSync(join(folderOfProject, 'typed.mts'), TYPED);
  const browser = "import { MemoryLog, RaftNode } from '@kontiki/core';\nexport const used = [MemoryLog, RaftNode];\n";
  writeFileSync(join(folderOfProject, 'browser.mts'), browser);
  // TypeScript must be able to emit declarations of exported definitions, so their types need
  // names.
  const common = { strict: true, noEmit: true, declaration: true, target: 'es2022' };
  return MODES.flatMap(([mode, modules]) => {
    const node = { compilerOptions: { ...common, ...modules, types: ['node'] }, files: [...files, 'typed.mts'] };
    const web = {
      compilerOptions: { ...common, ...modules, lib: ['es2022', 'dom'], types: [] },
      files: ['browser.mts'],
    };
    writeFileSync(join(folderOfProject, `tsconfig.${mode}.json`), JSON.stringify(node));
    writeFileSync(join(folderOfProject, `tsconfig.${mode}.browser.json`), JSON.stringify(web));
    return [`tsconfig.${mode}.json`, `tsconfig.${mode}.browser.json`];
  });
}

test('README examples compile with TypeScript 5.4 and 6, even with library checks', async ({ skip }) => {
  const project = join(folder, 'compilers');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  const others = compiled.flatMap((short) => imported(examples(`packages/${short}/README.md`)[0] ?? ''));
  const foreign = [...new Set(others)].filter((name) => !name.startsWith('@kontiki/'));
  await install(project, [...compiled.map((short) => `@kontiki/${short}`), '@types/node@20', ...foreign]);
  const configs = projects(project);
  for (const [version, mode] of [
    ['5.4', 'nodenext'],
    ['6', 'bundler'],
  ] as const) {
    const compiler = join(folder, `typescript-${version}`);
    mkdirSync(compiler);
    writeFileSync(join(compiler, 'package.json'), '{}');
    const installed = await run('npm', ['install', '--no-audit', '--no-fund', `typescript@${version}`], compiler);
    if (installed.code !== 0) return skip(`TypeScript ${version} cannot be installed: ${installed.output}`);
    // One compilation takes ten seconds on a busy machine, so each test compiles only one kind of
    // project.
    for (const config of configs.filter((name) => name.includes(mode))) {
      const tsc = join(compiler, 'node_modules/typescript/bin/tsc');
      const { code, output } = await run(process.execPath, [tsc, '-p', config], project);
      expect(code, `TypeScript ${version}, ${config}: ${output}`).toBe(0);
    }
  }
}, 300_000);
