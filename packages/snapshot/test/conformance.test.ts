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

const real = 'this is a real disk';

testSnapshotStore(
  { describe, it, expect },
  {
    name: 'FileSnapshots in a folder of this machine',
    medium: () => {
      const folder = mkdtempSync(join(tmpdir(), 'kontiki-snapshots-'));
      return {
        store: () => new FileSnapshots(folder),
        remove: () => rmSync(folder, { recursive: true }),
      };
    },
    without: { crash: real, damage: real, fail: real, fill: real, operations: real },
  },
);

/** The titles of what fails on a disk whose syncs lie. */
async function failing(lies: (operation: DiskOperation) => boolean): Promise<string> {
  const runner = collect();
  testSnapshotStore(runner, { name: 'FileSnapshots', medium: onDisk((folder) => new FileSnapshots(folder), { lies }) });
  const titles: string[] = [];
  for await (const { name, error } of runner.run()) if (error !== undefined) titles.push(name);
  return titles.join('\n');
}

describe('the suite notices', { timeout: 60_000 }, () => {
  it('that files are not synced', async () => {
    expect(await failing(({ kind }) => kind === 'datasync')).toContain(
      'a store keeps finished snapshots after a power cut',
    );
  });

  it('that the folder is not synced when a snapshot has its name', async () => {
    expect(await failing(({ kind }) => kind === 'sync')).toContain(
      'a store keeps finished snapshots after a power cut',
    );
  });
});
