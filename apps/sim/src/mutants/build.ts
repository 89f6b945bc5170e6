import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { mutate, type Mutant } from './mutant.js';

const WORKER = fileURLToPath(new URL('../../src/worker.ts', import.meta.url));
const PACKAGES = fileURLToPath(new URL('../../../../packages/', import.meta.url));
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url));

/** Returns the path of the source file that a mutant changes. */
export function pathOf({ package: name = 'core', file }: Mutant): string {
  return join(PACKAGES, name, 'src', file);
}

/** Returns the original contents of the source file that a mutant changes. */
export function sourceOf(mutant: Mutant): string {
  return readFileSync(pathOf(mutant), 'utf8');
}

/**
 * Bundles the worker from the sources and injects the bug, without changing any source file.
 * Returns the bundle's URL.
 */
export async function buildMutant(mutant: Mutant): Promise<URL> {
  const contents = mutate(sourceOf(mutant), mutant);
  const outfile = join(CACHE, `${mutant.name.replaceAll(/[^a-z0-9]+/gi, '-')}.mjs`);
  mkdirSync(CACHE, { recursive: true });
  const path = pathOf(mutant);
  await build({
    entryPoints: [WORKER],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@kontiki/source'],
    // `abstract-level` loads Node's modules with `require`, which is missing in a bundled ES
    // module.
    external: ['abstract-level'],
    plugins: [
      {
        name: 'mutant',
        setup: (bundle) => {
          bundle.onLoad({ filter: /\.ts$/ }, (file) => (file.path === path ? { contents, loader: 'ts' } : undefined));
        },
      },
    ],
  });
  return pathToFileURL(outfile);
}
