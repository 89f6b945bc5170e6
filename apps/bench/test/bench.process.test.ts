import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

let data: string;
let bench: ChildProcess;
beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'kontiki-bench-test-'));
  // A process group, as a shell makes one.
  bench = spawn(process.execPath, [MAIN, 'snapshots', '--state', '1', '--seconds', '3', '--data', data], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // Its replicas run by then, and write.
  await once(bench.stderr as NodeJS.ReadableStream, 'data');
});
afterEach(() => rmSync(data, { recursive: true }));

it.each([
  ['Ctrl-C', (): boolean => process.kill(-(bench.pid as number), 'SIGINT'), 130],
  ['SIGTERM', (): boolean => bench.kill('SIGTERM'), 143],
] as const)('leaves no folder and no process behind when it ends by %s', async (_, interrupt, code) => {
  expect(readdirSync(data)).toHaveLength(1);
  // Everybody who holds its output has ended then, its replicas too.
  const closed = once(bench, 'close');
  interrupt();
  expect((await closed)[0]).toBe(code);
  expect(readdirSync(data)).toEqual([]);
});
