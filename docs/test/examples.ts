import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { freePorts } from '../../apps/demo/test/cluster.js';

export const ROOT: string = fileURLToPath(new URL('../../', import.meta.url));

/** Folders of the packages, by their last part. */
export const packages: readonly string[] = readdirSync(join(ROOT, 'packages'));

/** The TypeScript of a page. */
export function examples(page: string): string[] {
  return [...readFileSync(join(ROOT, page), 'utf8').matchAll(/```ts\n([^]*?)```/g)].map(([, code = '']) => code);
}

/** What the comments behind `console.log` say will be printed; `…` stands for anything. */
function promised(code: string): RegExp[] {
  const comments = [...code.matchAll(/console\.log\(.*\/\/ (.*)$/gm)].map(([, text = '']) => text);
  return comments.map((text) => new RegExp(text.replace(/[^\w\s…]/g, '\\$&').replaceAll('…', '[^]*')));
}

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end. */
export function run(command: string, args: readonly string[], cwd: string): Promise<Ended> {
  const child = spawn(command, args, { cwd });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}

/** Writes an example, with ports that are free now, to `file`, whose folder decides what it imports, and runs it in `cwd`. */
export async function runsAsPrinted(code: string, file: string, cwd: string): Promise<void> {
  const ports = await freePorts(10);
  writeFileSync(
    file,
    code.replace(/\b700(\d)\b/g, (_, digit: string) => String(ports + Number(digit))),
  );
  const { code: exit, output } = await run(process.execPath, ['--import', import.meta.resolve('tsx'), file], cwd);
  expect(exit, output).toBe(0);
  for (const line of promised(code)) expect(output).toMatch(line);
}
