import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { pathOf } from './src/mutants/build.js';
import { mutate, type Mutant } from './src/mutants/mutant.js';

/**
 * Runs tests for `sim mutants` with a bug injected. Vitest injects the bug when it loads the
 * source, so no file is changed.
 */
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
