import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileSnapshots } from '@kontiki/snapshot';
import { collect, onDisk, testSnapshotStore, type DiskOperation } from '@kontiki/testing';

testSnapshotStore(
  { describe, it, expect },
  { name: 'FileSnapshots', place: onDisk((folder) => new FileSnapshots(folder)) },
);

const real = 'a real disk is used';

testSnapshotStore(
  { describe, it, expect },
  {
    name: 'FileSnapshots in a folder of this machine',
    place: () => {
      const folder = mkdtempSync(join(tmpdir(), 'kontiki-snapshots-'));
      return {
        store: () => new FileSnapshots(folder),
        remove: () => rmSync(folder, { recursive: true }),
      };
    },
    without: { crash: real, damage: real, fail: real, fill: real, operations: real },
  },
);

/** Returns the titles of the tests that fail on a disk whose syncs lie. */
async function failing(lies: (operation: DiskOperation) => boolean): Promise<string> {
  const runner = collect();
  testSnapshotStore(runner, { name: 'FileSnapshots', place: onDisk((folder) => new FileSnapshots(folder), { lies }) });
  const titles: string[] = [];
  for await (const { name, error } of runner.run()) if (error !== undefined) titles.push(name);
  return titles.join('\n');
}

describe('the suite for snapshot stores on a disk whose syncs lie', { timeout: 60_000 }, () => {
  it('a FileSnapshots whose files are not synced fails the suite', async () => {
    expect(await failing(({ kind }) => kind === 'datasync')).toContain('a power cut, at any operation');
  });

  it('a FileSnapshots whose folder is not synced fails the suite', async () => {
    expect(await failing(({ kind }) => kind === 'sync')).toContain('a power cut, at any operation');
  });
});
