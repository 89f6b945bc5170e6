// Shows that the examples in the READMEs run as printed. Runs each example inside the workspace.
// packages.process.test.ts runs the first example of each package outside the workspace.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'vitest';
import { examples, packages, ROOT, runsAsPrinted } from './examples.js';

async function runsHere(page: string, number: number): Promise<void> {
  const code = examples(page)[number];
  if (code === undefined) throw new Error(`${page} has no example ${number}`);
  // Programs in this folder can import the packages of the workspace, and all packages that the
  // page's package uses.
  const programs = join(ROOT, dirname(page), 'node_modules/.cache/readmes');
  mkdirSync(programs, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'kontiki-readme-'));
  try {
    await runsAsPrinted(code, join(programs, `${number}.mts`), folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('the first example of README.md runs as printed', () => runsHere('README.md', 0));

const later = packages.flatMap((name) => {
  const page = `packages/${name}/README.md`;
  return examples(page).flatMap((_, number) => (number === 0 ? [] : [{ page, number }]));
});
test.each(later)('example $number of $page runs as printed', ({ page, number }) => runsHere(page, number));
