import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { pathOf } from './src/mutants/build.js';
import { mutate, type Mutant } from './src/mutants/mutant.js';

/** Runs tests with a bug in the code, for `pnpm sim mutants`; the tree is left as it is. */
const mutant = JSON.parse(process.env['KONTIKI_MUTANT'] ?? '{}') as Mutant;
const path = pathOf(mutant);

export default defineConfig({
  root: fileURLToPath(new URL('../../', import.meta.url)),
  ssr: { resolve: { conditions: ['@kontiki/source'] } },
  plugins: [
    {
      name: 'mutant',
      enforce: 'pre',
      transform: (source, id) => (id === path ? mutate(source, mutant) : undefined),
    },
  ],
  test: { testTimeout: 60_000 },
});
