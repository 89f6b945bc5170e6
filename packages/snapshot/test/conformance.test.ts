import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileSnapshots } from '@kontiki/snapshot';
import { collect, onDisk, testSnapshotStore, type DiskOperation } from '@kontiki/testing';

testSnapshotStore(
  { describe, it, expect },
  { name: 'FileSnapshots', medium: onDisk((folder) => new FileSnapshots(folder)) },
);

const real = 'a real disk is used';

testSnapshotStore(
  { describe, it, expect },
  {
    name: 'FileSnapshots in a folder of this machine',
    medium: () => {
      const folder = mkdtempSync(join(tmpdir(), 'kontiki-snapshots-'));
      return {
        store: () => new FileSnapshots(folder),
        remove: () => rmSync(folder, { recursive: true, maxRetries: 10, retryDelay: 20 }),
      };
    },
    without: { crash: real, damage: real, fail: real, fill: real, operations: real },
  },
);

/** Returns the titles of the tests that fail on a disk that ignores certain syncs. */
async function failing(lies: (operation: DiskOperation) => boolean): Promise<string> {
  const runner = collect();
  testSnapshotStore(runner, { name: 'FileSnapshots', medium: onDisk((folder) => new FileSnapshots(folder), { lies }) });
  const titles: string[] = [];
  for await (const { name, error } of runner.run()) if (error !== undefined) titles.push(name);
  return titles.join('\n');
}

describe('testSnapshotStore on a disk that ignores syncs', { timeout: 60_000 }, () => {
  it('testSnapshotStore detects a FileSnapshots store that does not sync its files', async () => {
    expect(await failing(({ kind }) => kind === 'datasync')).toContain(
      'a store keeps finished snapshots after a power cut',
    );
  });

  it('testSnapshotStore detects a FileSnapshots store that does not sync its folder', async () => {
    expect(await failing(({ kind }) => kind === 'sync')).toContain(
      'a store keeps finished snapshots after a power cut',
    );
  });
});
