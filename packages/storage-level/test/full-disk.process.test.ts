// Shows that a log in LevelDB survives a disk that really is full. The disk is a small in-memory
// file system.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';

const CHILD = fileURLToPath(new URL('full-disk-child.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kontiki-full-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a command while an empty disk of 128 MiB is mounted at `folder`. */
function runOnSmallDisk(...command: readonly string[]) {
  const mount = 'mount -t tmpfs -o size=128m tmpfs "$0" && exec "$@"';
  const args = ['--map-root-user', '--mount', 'sh', '-c', mount, folder, ...command];
  return spawnSync('unshare', args, { encoding: 'utf8', timeout: 60_000 });
}

const probe = runOnSmallDisk('true');
if (probe.status !== 0) console.log(`skipped: no disk can be mounted (${probe.error?.message ?? probe.stderr})`);

it.runIf(probe.status === 0)('a log in LevelDB waits while its disk is full, and continues once it has room', () => {
  const { stdout, stderr } = runOnSmallDisk(process.execPath, CHILD, folder);
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual(['entry 1', 'full', 'KONTIKI_DISK_FULL', 'room', 'entry 2', 'entry 3', 3]);
});
