import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { freePorts } from '../../apps/demo/test/cluster.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE = join(ROOT, 'node_modules/.cache/readmes');
const packages = readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}/README.md`);

/** The TypeScript of a page, with ports that are free now. */
function examples(page: string, ports: number): string[] {
  const blocks = [...readFileSync(join(ROOT, page), 'utf8').matchAll(/```ts\n([^]*?)```/g)];
  return blocks.map(([, code = '']) =>
    code.replace(/\b700(\d)\b/g, (_, digit: string) => String(ports + Number(digit))),
  );
}

/** What the comments behind `console.log` say will be printed; `…` stands for anything. */
function promised(code: string): RegExp[] {
  const comments = [...code.matchAll(/console\.log\(.*\/\/ (.*)$/gm)].map(([, text = '']) => text);
  return comments.map((text) => new RegExp(text.replace(/[^\w\s…]/g, '\\$&').replaceAll('…', '[^]*')));
}

function run(file: string, cwd: string): Promise<{ code: number | null; output: string }> {
  const tsx = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), file], { cwd });
  let output = '';
  for (const stream of [tsx.stdout, tsx.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
  return new Promise((resolve) => tsx.once('close', (code) => resolve({ code, output })));
}

async function runsAsPrinted(page: string, number: number): Promise<void> {
  const code = examples(page, await freePorts(10))[number];
  if (code === undefined) throw new Error(`${page} has no example ${number}`);
  mkdirSync(CACHE, { recursive: true });
  const file = join(CACHE, `${page.replaceAll('/', '-')}-${number}.mts`);
  writeFileSync(file, code);
  const folder = mkdtempSync(join(tmpdir(), 'kontiki-readme-'));
  try {
    const { code: exit, output } = await run(file, folder);
    expect(exit, output).toBe(0);
    for (const line of promised(code)) expect(output).toMatch(line);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test.each(['README.md', ...packages])('%s: its first example runs as printed', (page) => runsAsPrinted(page, 0));

const testing = 'packages/testing/README.md';

test.each(
  examples(testing, 7000)
    .map((_, i) => i)
    .slice(1),
)(`${testing}: example %i runs as printed`, (number) => runsAsPrinted(testing, number));
