// Extracts the TypeScript examples of a page and runs them as programs.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { freePorts } from '../../apps/demo/test/cluster.js';

export const ROOT: string = fileURLToPath(new URL('../../', import.meta.url));

/** Names of the packages' folders, without `packages/`. */
export const packages: readonly string[] = readdirSync(join(ROOT, 'packages'));

/** Returns the TypeScript code blocks of a page. */
export function examples(page: string): string[] {
  return [...readFileSync(join(ROOT, page), 'utf8').matchAll(/```ts\n([^]*?)```/g)].map(([, code = '']) => code);
}

/**
 * Returns a pattern for each line of output that a comment after a `console.log` promises. `…` in a
 * comment matches any text.
 */
function promisedOutput(code: string): RegExp[] {
  const comments = [...code.matchAll(/console\.log\(.*\/\/ (.*)$/gm)].map(([, text = '']) => text);
  return comments.map((text) => new RegExp(text.replace(/[^\w\s…]/g, '\\$&').replaceAll('…', '[^]*')));
}

/** Exit code of a program, and its output on both streams. */
export interface Exit {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program and resolves when it exits. */
export function run(command: string, args: readonly string[], cwd: string): Promise<Exit> {
  const child = spawn(command, args, { cwd });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })));
}

/**
 * Writes an example to `file` and runs it in `cwd`. Fails if the program fails or does not print a
 * line that its comments promise. If an example bootstraps only with `--bootstrap`, runs it a
 * second time without the flag, as on every later start. Free ports replace the ports 7000 to 7009.
 * The folder of `file` determines which packages the example can import.
 */
export async function runsAsPrinted(code: string, file: string, cwd: string): Promise<void> {
  const ports = await freePorts(10);
  writeFileSync(
    file,
    code.replace(/\b700(\d)\b/g, (_, digit: string) => String(ports + Number(digit))),
  );
  const program = ['--import', import.meta.resolve('tsx'), file];
  const { code: exit, output } = await run(process.execPath, [...program, '--bootstrap'], cwd);
  expect(exit, output).toBe(0);
  for (const line of promisedOutput(code)) expect(output).toMatch(line);
  if (!code.includes("'--bootstrap'")) return;
  const again = await run(process.execPath, program, cwd);
  expect(again.code, again.output).toBe(0);
}
