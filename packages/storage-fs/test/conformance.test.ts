import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LogState, Owner } from '@kontiki/core';
import { FileLog } from '@kontiki/storage-fs';
import { collect, onDisk, testLogStore, type DiskOperation } from '@kontiki/testing';

testLogStore(
  { describe, it, expect },
  {
    name: 'FileLog',
    medium: onDisk((folder, { clock, random }) => new FileLog(folder, { clock, random, segmentBytes: 700 })),
  },
);

const real = 'this is a real disk';

testLogStore(
  { describe, it, expect },
  {
    name: 'FileLog in a folder of this machine',
    medium: () => {
      const folder = mkdtempSync(join(tmpdir(), 'kontiki-log-'));
      return {
        store: () => new FileLog(folder, { segmentBytes: 4_000 }),
        remove: () => rmSync(folder, { recursive: true }),
      };
    },
    without: { crash: real, damage: real, fail: real, fill: real, operations: real },
  },
);

/** The titles of what fails on a disk whose syncs lie. */
async function failing(lies: (operation: DiskOperation, opening: boolean) => boolean): Promise<string[]> {
  let opening = false;
  class Watched extends FileLog {
    override async open(owner: Owner): Promise<LogState> {
      opening = true;
      const state = await super.open(owner);
      opening = false;
      return state;
    }
  }
  const runner = collect();
  const medium = onDisk(
    (folder, { clock, random }) => {
      // What was opening before has died.
      opening = false;
      return new Watched(folder, { clock, random, segmentBytes: 700 });
    },
    { lies: (operation) => lies(operation, opening) },
  );
  testLogStore(runner, { name: 'FileLog', medium });
  const titles: string[] = [];
  for await (const { name, error } of runner.run()) if (error !== undefined) titles.push(name);
  return titles;
}

describe('the suite notices', { timeout: 60_000 }, () => {
  it('that append does not sync', async () => {
    const titles = await failing(({ kind }, opening) => kind === 'datasync' && !opening);
    expect(titles.join('\n')).toContain('a log keeps every resolved call after a power cut');
  });

  it('that open does not sync', async () => {
    const titles = await failing(({ kind }, opening) => kind === 'datasync' && opening);
    expect(titles.join('\n')).toContain('a log keeps every resolved call after a process crash');
  });

  it('that the folder is not synced', async () => {
    expect((await failing(({ kind }) => kind === 'sync')).join('\n')).toContain(
      'a log keeps every resolved call after a power cut',
    );
  });
});
