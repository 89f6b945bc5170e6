import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Mutant } from './mutant.js';

const TOP = fileURLToPath(new URL('../../../../', import.meta.url));
const VITEST = join(TOP, 'node_modules/vitest/vitest.mjs');
const CONFIG = fileURLToPath(new URL('../../mutant.vitest.config.ts', import.meta.url));

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly title: string }[];
  }[];
}

/**
 * Runs a test file with the bug injected. Returns the first failing test, or undefined if all tests
 * pass.
 */
export function killByTest(mutant: Mutant, file: string): { readonly by: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'kontiki-mutant-'));
  const report = join(folder, 'report.json');
  try {
    const args = [VITEST, 'run', file, '--config', CONFIG, '--bail=1', '--reporter=json', `--outputFile=${report}`];
    const env = { ...process.env, KONTIKI_MUTANT: JSON.stringify(mutant) };
    spawnSync(process.execPath, args, { cwd: TOP, env, stdio: 'ignore' });
    const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
    const results = testResults.flatMap(({ assertionResults }) => assertionResults);
    if (results.length === 0)
      throw new Error(`mutant "${mutant.name}": no test of ${file} ran. Run the file with vitest to see the reason.`);
    const failed = results.find(({ status }) => status === 'failed');
    return failed && { by: `test '${failed.title}'` };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
