// Shows that examples of the READMEs run as printed. Runs each example inside the workspace. The
// first example of each package runs outside of the workspace, in packages.process.test.ts.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { examples, ROOT, runsAsPrinted } from './examples.js';

/** Folder for the examples. Programs in this folder can import the packages of the workspace. */
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

test('the first example of README.md runs as printed', () => runsHere('README.md', 0));

const level = 'packages/storage-level/README.md';
test(`the second example of ${level} runs as printed`, () => runsHere(level, 1));

const testing = 'packages/testing/README.md';
test.each(
  examples(testing)
    .map((_, i) => i)
    .slice(1),
)(`example %i of ${testing} runs as printed`, (number) => runsHere(testing, number));
