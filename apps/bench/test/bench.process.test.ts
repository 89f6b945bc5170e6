// Shows that an interrupted benchmark cleans up. Starts a benchmark with replicas, interrupts it,
// and checks that its temporary folder and all its processes are gone.

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
  // Start a new process group, as a shell does, so that SIGINT can be sent to all its processes.
  bench = spawn(process.execPath, [MAIN, 'snapshots', '--state', '1', '--seconds', '3', '--data', data], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  // When the first progress line is printed, the replicas are running.
  await once(bench.stderr as NodeJS.ReadableStream, 'data');
});
afterEach(() => rmSync(data, { recursive: true }));

it.each([
  ['Ctrl-C', (): boolean => process.kill(-(bench.pid as number), 'SIGINT'), 130],
  ['SIGTERM', (): boolean => bench.kill('SIGTERM'), 143],
] as const)('a benchmark interrupted by %s leaves no folder and no processes behind', async (_, interrupt, code) => {
  expect(readdirSync(data)).toHaveLength(1);
  // `close` is emitted once all processes that share the benchmark's output have ended, including
  // the replicas.
  const closed = once(bench, 'close');
  interrupt();
  expect((await closed)[0]).toBe(code);
  expect(readdirSync(data)).toEqual([]);
});
