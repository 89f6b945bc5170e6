import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { examples, ROOT, runsAsPrinted } from './examples.js';

/** Here the workspace's packages are found. */
const CACHE = join(ROOT, 'node_modules/.cache/readmes');

async function runsHere(page: string, number: number): Promise<void> {
  const code = examples(page)[number];
  if (code === undefined) throw new Error(`${page} has no example ${number}`);
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'kontiki-readme-'));
  try {
    await runsAsPrinted(code, join(CACHE, `${page.replaceAll('/', '-')}-${number}.mts`), folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// The packages' first examples run outside the workspace, in packages.process.test.ts.
test('README.md: its first example runs as printed', () => runsHere('README.md', 0));

const level = 'packages/storage-level/README.md';
test(`${level}: the swap runs as printed`, () => runsHere(level, 1));

const testing = 'packages/testing/README.md';
test.each(
  examples(testing)
    .map((_, i) => i)
    .slice(1),
)(`${testing}: example %i runs as printed`, (number) => runsHere(testing, number));
