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

/** The first TypeScript of a page, with ports that are free now. */
function firstExample(page: string, ports: number): string {
  const [, code = ''] = /```ts\n([^]*?)```/.exec(readFileSync(join(ROOT, page), 'utf8')) ?? [];
  return code.replace(/\b700(\d)\b/g, (_, digit: string) => String(ports + Number(digit)));
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

test.each(['README.md', ...packages])('%s: its first example runs as printed', async (page) => {
  const code = firstExample(page, await freePorts(10));
  expect(code, 'no example').not.toBe('');
  mkdirSync(CACHE, { recursive: true });
  const file = join(CACHE, `${page.replaceAll('/', '-')}.mts`);
  writeFileSync(file, code);
  const folder = mkdtempSync(join(tmpdir(), 'kontiki-readme-'));
  try {
    const { code: exit, output } = await run(file, folder);
    expect(exit, output).toBe(0);
    for (const line of promised(code)) expect(output).toMatch(line);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
