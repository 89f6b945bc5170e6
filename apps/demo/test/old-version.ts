// Builds the last version of the demo before clusters had feature levels, from its commit.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/**
 * A source file of the repository. The version before the commit that added this file reads only
 * feature level 0.
 */
const SINCE = 'packages/core/src/log/membership-change.ts';

/** An installed version of the demo. */
export interface OldVersion {
  /** Path of the old version's program, like `MAIN` for this version. */
  readonly main: string;
  remove(): void;
}

/**
 * Installs the old version in a temporary folder. If the commit is missing from this clone, returns
 * a message that says so.
 */
export function installOldVersion(): OldVersion | string {
  let archive: Buffer;
  try {
    const [first = ''] = git('log', '--format=%H', '--diff-filter=A', '--', SINCE).toString().trim().split('\n');
    archive = git('archive', `${first}^`, 'tsconfig.base.json', 'packages', 'apps/demo');
  } catch (error) {
    return `the history of this clone does not reach the version before ${SINCE}: ${(error as Error).message}`;
  }
  const folder = mkdtempSync(join(tmpdir(), 'kontiki-old-'));
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  const packages = readdirSync(join(folder, 'packages')).map((name) => `packages/${name}`);
  for (const path of [...packages, 'apps/demo']) linkDependencies(folder, path);
  // Without type checks, the compiler takes a few seconds.
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', '--noCheck', 'apps/demo'], {
    cwd: folder,
    stdio: 'pipe',
  });
  const main = join(folder, 'apps/demo/dist/main.js');
  return { main, remove: () => rmSync(folder, { recursive: true }) };
}

function git(...args: string[]): Buffer {
  return execFileSync('git', args, { cwd: ROOT, maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'pipe'] });
}

/**
 * Links the dependencies of a package. Kontiki's packages are linked to their old versions, and all
 * others to the packages of this clone.
 */
function linkDependencies(folder: string, path: string): void {
  const {
    dependencies = {},
    devDependencies = {},
    peerDependencies = {},
  } = JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8')) as Record<string, Record<string, string>>;
  for (const name of Object.keys({ ...dependencies, ...devDependencies, ...peerDependencies })) {
    const own = name.startsWith('@kontiki/');
    const target = own
      ? join(folder, 'packages', name.slice('@kontiki/'.length))
      : join(ROOT, path, 'node_modules', name);
    const link = join(folder, path, 'node_modules', name);
    if (!existsSync(target)) continue;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link);
  }
}
