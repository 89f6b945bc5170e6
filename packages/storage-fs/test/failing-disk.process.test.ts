// Shows that a file log loses no acknowledged entry on a real disk error. A process appends entries
// under strace, which makes one system call fail.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileLog } from '@kontiki/storage-fs';

const WRITER = fileURLToPath(new URL('writer.mjs', import.meta.url));

/** Whether this machine allows processes to be traced. Containers often forbid this. */
const traced = spawnSync('strace', ['-f', 'true']).status === 0;
if (!traced) console.log('skipped: tests with failing system calls need strace and permission to trace');

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
    throw new Error(`the writer printed no result: ${stdout}${stderr}`);
  }
}

describe.runIf(traced)('a file log of a real process', () => {
  it.each([
    ['sync', 'EIO', 'inject=fdatasync:error=EIO:when=60'],
    ['write', 'EIO', 'inject=pwrite64:error=EIO:when=60'],
    ['write', 'ENOSPC', 'inject=pwrite64:error=ENOSPC:when=60'],
  ])('a %s failing with %s makes the log unusable and loses no acknowledged entry', async (_, cause, inject) => {
    const { acknowledged, code, cause: actualCause, again } = write('-e', inject);
    expect({ code, actualCause, again }).toEqual({
      code: 'KONTIKI_STORE_FAILED',
      actualCause: cause,
      again: 'KONTIKI_STORE_FAILED',
    });
    expect(acknowledged).toBeGreaterThan(10);
    // The next start, on a disk without errors, finds every acknowledged entry.
    const log = new FileLog(folder, { segmentBytes: 64 * 1024 });
    expect((await log.open({ cluster: 'test', server: 'a' })).last).toBeGreaterThanOrEqual(acknowledged);
    await log.close();
    expect(write('-e', 'trace=none').acknowledged).toBeGreaterThanOrEqual(acknowledged + 400);
  });
});
