import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileLog } from '@kontiki/storage-fs';

const WRITER = fileURLToPath(new URL('writer.mjs', import.meta.url));

/** Whether this machine lets a process be traced; containers often don't. */
const traced = spawnSync('strace', ['-f', 'true']).status === 0;
if (!traced) console.log('skipped: the tests with failing system calls need strace, and the right to trace');

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'kontiki-eio-'))));
afterEach(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly acknowledged: number;
  readonly code?: string;
  readonly cause?: string;
  readonly again?: string;
}

function write(...inject: string[]): Outcome {
  const { stdout, stderr } = spawnSync(
    'strace',
    ['-f', '-qq', '-o', '/dev/null', ...inject, process.execPath, WRITER, folder],
    { encoding: 'utf8', timeout: 50_000 },
  );
  try {
    return JSON.parse(stdout) as Outcome;
  } catch {
    throw new Error(`the writer gave no answer: ${stdout}${stderr}`);
  }
}

describe.runIf(traced)('a disk that fails, in a real process', () => {
  it.each([
    ['a sync', 'EIO', 'inject=fdatasync:error=EIO:when=60'],
    ['a write', 'EIO', 'inject=pwrite64:error=EIO:when=60'],
    ['a write', 'ENOSPC', 'inject=pwrite64:error=ENOSPC:when=60'],
  ])('%s that fails with %s ends the log for good; nothing acknowledged is lost', async (_, cause, inject) => {
    const { acknowledged, code, cause: given, again } = write('-e', inject);
    expect({ code, given, again }).toEqual({
      code: 'KONTIKI_STORE_FAILED',
      given: cause,
      again: 'KONTIKI_STORE_FAILED',
    });
    expect(acknowledged).toBeGreaterThan(10);
    // The next start, on a disk that is well again, holds it all and goes on.
    const log = new FileLog(folder, { segmentBytes: 64 * 1024 });
    expect((await log.open({ cluster: 'test', server: 'a' })).last).toBeGreaterThanOrEqual(acknowledged);
    await log.close();
    expect(write('-e', 'trace=none').acknowledged).toBeGreaterThanOrEqual(acknowledged + 400);
  });
});
