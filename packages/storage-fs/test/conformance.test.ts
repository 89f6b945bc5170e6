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
    place: onDisk((folder, { clock, random }) => new FileLog(folder, { clock, random, segmentBytes: 700 })),
  },
);

const real = 'this is a real disk';

testLogStore(
  { describe, it, expect },
  {
    name: 'FileLog in a folder of this machine',
    place: () => {
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
  const place = onDisk(
    (folder, { clock, random }) => {
      // What was opening before has died.
      opening = false;
      return new Watched(folder, { clock, random, segmentBytes: 700 });
    },
    { lies: (operation) => lies(operation, opening) },
  );
  testLogStore(runner, { name: 'FileLog', place });
  const titles: string[] = [];
  for await (const { name, error } of runner.run()) if (error !== undefined) titles.push(name);
  return titles;
}

describe('the suite notices', () => {
  it.each([
    ['append does not sync', 'the power is cut', ({ kind }, opening) => kind === 'datasync' && !opening],
    ['open does not sync', 'the process crashes', ({ kind }, opening) => kind === 'datasync' && opening],
    ['the folder is not synced', 'the power is cut', ({ kind }) => kind === 'sync'],
  ] satisfies [string, string, (operation: DiskOperation, opening: boolean) => boolean][])(
    'that %s',
    async (_, title, lies) => {
      expect((await failing(lies)).join('\n')).toContain(title);
    },
    60_000,
  );
});
