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

const real = 'a real disk is used';

testLogStore(
  { describe, it, expect },
  {
    name: 'FileLog in a folder of this machine',
    medium: () => {
      const folder = mkdtempSync(join(tmpdir(), 'kontiki-log-'));
      return {
        store: () => new FileLog(folder, { segmentBytes: 4_000 }),
        remove: () => rmSync(folder, { recursive: true, maxRetries: 10, retryDelay: 20 }),
      };
    },
    without: { crash: real, damage: real, fail: real, fill: real, operations: real },
  },
);

/** Returns the titles of the conformance tests that fail on a disk that ignores some syncs. */
async function failing(lies: (operation: DiskOperation, isOpening: boolean) => boolean): Promise<string[]> {
  let isOpening = false;
  class Watched extends FileLog {
    override async open(owner: Owner): Promise<LogState> {
      isOpening = true;
      const state = await super.open(owner);
      isOpening = false;
      return state;
    }
  }
  const runner = collect();
  const medium = onDisk(
    (folder, { clock, random }) => {
      // The process that used the previous log has crashed.
      isOpening = false;
      return new Watched(folder, { clock, random, segmentBytes: 700 });
    },
    { lies: (operation) => lies(operation, isOpening) },
  );
  testLogStore(runner, { name: 'FileLog', medium });
  const titles: string[] = [];
  for await (const { name, error } of runner.run()) if (error !== undefined) titles.push(name);
  return titles;
}

describe('testLogStore on a disk that ignores syncs', { timeout: 60_000 }, () => {
  it('testLogStore detects a FileLog whose append does not sync', async () => {
    const titles = await failing(({ kind }, isOpening) => kind === 'datasync' && !isOpening);
    expect(titles.join('\n')).toContain('a log keeps every resolved call after a power cut');
  });

  it('testLogStore detects a FileLog whose open does not sync', async () => {
    const titles = await failing(({ kind }, isOpening) => kind === 'datasync' && isOpening);
    expect(titles.join('\n')).toContain('a log keeps every resolved call after a process crash');
  });

  it('testLogStore detects a FileLog that does not sync its folder', async () => {
    expect((await failing(({ kind }) => kind === 'sync')).join('\n')).toContain(
      'a log keeps every resolved call after a power cut',
    );
  });
});
