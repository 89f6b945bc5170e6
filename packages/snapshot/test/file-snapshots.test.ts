import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { silentLogger, type Logger, type SnapshotWriter } from '@kontiki/core';
import { decodeSnapshot } from '@kontiki/core/wire';
import type { File } from '@kontiki/files';
import { FileSnapshots } from '@kontiki/snapshot';
import { FileLog } from '@kontiki/storage-fs';
import { SimulatedDisk, VirtualClock, type DiskOperation } from '@kontiki/testing';
import { encoded, joined, metaAt, owner, save } from './samples.js';

const name = (index: number): string => `snapshot-${`${index}`.padStart(16, '0')}-0000000000000002-${metaAt(index).id}`;
const part = (index: number, bytes: number): string =>
  `snapshot-part-${metaAt(index).id}-${`${bytes}`.padStart(16, '0')}`;

function recorder(): { logger: Logger; texts: string[] } {
  const texts: string[] = [];
  return { logger: { ...silentLogger, error: (text) => texts.push(text) }, texts };
}

async function opened(disk: SimulatedDisk, logger: Logger = silentLogger): Promise<FileSnapshots> {
  const store = new FileSnapshots(disk.folder, { logger });
  await store.open(owner);
  return store;
}

const indices = async (store: FileSnapshots): Promise<number[]> => (await store.list()).map(({ last }) => last.index);

describe('the files of FileSnapshots', () => {
  it('snapshot file names contain padded numbers and sort by index', async () => {
    const disk = new SimulatedDisk();
    const store = await opened(disk);
    for (const index of [1000, 999, 20_000]) await save(store, index);
    const writer = await store.create(metaAt(30_000));
    await writer.write((await encoded(30_000)).subarray(0, 150));
    await writer.sync();
    expect(disk.names.sort()).toEqual(
      [name(999), name(1000), name(20_000), 'snapshot-owner', part(30_000, 150)].sort(),
    );
    expect(disk.names.filter((one) => /-\d{16}-\d{16}-/.test(one)).sort()).toEqual([999, 1000, 20_000].map(name));
  });

  it('a finished snapshot file contains exactly the encoded snapshot', async () => {
    const disk = new SimulatedDisk();
    await save(await opened(disk), 7);
    expect(disk.contents(name(7))).toEqual(await encoded(7));
  });

  it('finish syncs the file, renames it and syncs the folder', async () => {
    const operations: string[] = [];
    const disk = new SimulatedDisk({ fail: ({ kind }) => void operations.push(kind) });
    const store = await opened(disk);
    operations.length = 0;
    await save(store, 7);
    expect(operations).toEqual(['create', 'write', 'datasync', 'rename', 'sync']);
  });

  it('open removes snapshots that cannot be resumed, and keeps other files', async () => {
    const disk = new SimulatedDisk();
    const folder = disk.folder;
    for (const other of ['wal-0000000001', 'snapshot-', 'snapshot-1-2-3', `snapshot-part-${metaAt(1).id}`, 'notes']) {
      await folder.create(other);
    }
    await folder.create(part(5, 0));
    await folder.create('snapshot-owner.new');
    for (const index of [998, 1000, 999]) {
      const file = await folder.create(part(index, 150));
      file.write((await encoded(index)).subarray(0, 150), 0);
    }
    const others = disk.names.filter((one) => !one.startsWith('snapshot-part-aa') && !one.endsWith('new'));
    const store = await opened(disk);
    expect(disk.names.sort()).toEqual(
      [...others, `snapshot-part-${metaAt(1).id}`, part(1000, 150), 'snapshot-owner'].sort(),
    );
    expect((await store.create(metaAt(1000))).offset).toBe(150);
  });

  it('snapshot files are readable only by their owner', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kontiki-snapshots-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const store = new FileSnapshots(folder);
    await store.open(owner);
    await save(store, 7);
    const writer = await store.create(metaAt(8));
    await writer.write(new Uint8Array(3).fill(75)).catch(() => {});
    const files = readdirSync(folder).filter((one) => one.startsWith('snapshot-'));
    expect(files.length).toBeGreaterThanOrEqual(2);
    for (const file of files) expect(statSync(join(folder, file)).mode & 0o777, file).toBe(0o600);
    await store.close();
  });

  it('a log and a snapshot store can share one folder', async () => {
    const disk = new SimulatedDisk();
    for (let life = 0; life < 2; life += 1) {
      const log = new FileLog(disk.folder, { clock: new VirtualClock(), random: () => 0.5, segmentBytes: 700 });
      const state = await log.open(owner);
      const store = await opened(disk);
      await log.append({ entries: [{ kind: 'noop', index: state.last + 1, term: 1 }] });
      await save(store, 7 + life);
      expect(state.last).toBe(life);
      expect((await indices(store)).length).toBe(life + 1);
      await store.close();
      await log.close();
    }
  });
});

describe('a damaged snapshot file', () => {
  it('open or read reports a flipped bit, and the damaged file is kept', async () => {
    const bytes = await encoded(7);
    let unlisted = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const disk = new SimulatedDisk();
      const before = await opened(disk);
      await save(before, 5);
      await save(before, 7);
      await before.close();
      disk.overwrite(
        name(7),
        bytes.map((byte, i) => (i === at ? byte ^ (1 << (at % 8)) : byte)),
      );
      const { logger, texts } = recorder();
      const store = await opened(disk, logger);
      if ((await indices(store)).includes(7)) {
        await expect(joined(decodeSnapshot(store.read(metaAt(7).id))), `byte ${at}`).rejects.toThrow(/damaged at byte/);
        expect(texts).toEqual([]);
      } else {
        unlisted += 1;
        expect(texts).toEqual([expect.stringContaining(name(7))]);
      }
      expect(await joined(decodeSnapshot(store.read(metaAt(5).id)))).toHaveLength(100);
      expect(disk.names).toContain(name(7));
    }
    expect(unlisted).toBeGreaterThan(100);
  });

  it('open reports a truncated, empty or oversized file and does not list it', async () => {
    const bytes = await encoded(7);
    for (let length = 0; length <= bytes.length + 1; length += length < 140 ? 20 : 1) {
      if (length === bytes.length) continue;
      const disk = new SimulatedDisk();
      await disk.folder.create(name(7));
      disk.overwrite(name(7), new Uint8Array([...bytes, 0].slice(0, length)));
      const { logger, texts } = recorder();
      expect(await indices(await opened(disk, logger)), `${length} bytes`).toEqual([]);
      expect(texts).toHaveLength(1);
    }
  });

  it('open reports a file with the name of another snapshot and does not list it', async () => {
    const disk = new SimulatedDisk();
    await disk.folder.create(name(8));
    disk.overwrite(name(8), await encoded(7));
    const { logger, texts } = recorder();
    expect(await indices(await opened(disk, logger))).toEqual([]);
    expect(texts[0]).toContain(`The file has the head of ${name(7)}`);
  });

  it('a damaged unfinished snapshot restarts from the beginning', async () => {
    const bytes = await encoded(7);
    for (let at = 0; at < 200; at += 3) {
      const disk = new SimulatedDisk();
      await disk.folder.create(part(7, 200));
      disk.overwrite(
        part(7, 200),
        bytes.slice(0, 210).map((byte, i) => (i === at ? byte ^ 1 : byte)),
      );
      const store = await opened(disk);
      const writer = await store.create(metaAt(7));
      // Damage to an incomplete chunk is detected only once the chunk is complete.
      await writer.write(bytes.subarray(writer.offset)).catch(() => {});
      const end = await writer.finish().catch((error: { code: string }) => error.code);
      if (end === 'KONTIKI_CORRUPT') await save(store, 7);
      expect(await joined(store.read(metaAt(7).id))).toEqual(bytes);
    }
  });

  it('finish rejects a file longer than its snapshot, and a new attempt succeeds', async () => {
    const bytes = await encoded(7);
    const disk = new SimulatedDisk();
    await disk.folder.create(part(7, 200));
    disk.overwrite(part(7, 200), Uint8Array.from([...bytes, 1, 2, 3]));
    const store = await opened(disk);
    const writer = await store.create(metaAt(7));
    expect(writer.offset).toBe(200);
    await writer.write(bytes.subarray(200));
    await expect(writer.finish()).rejects.toMatchObject({ code: 'KONTIKI_CORRUPT' });
    expect(await indices(store)).toEqual([]);
    await save(store, 7);
    expect(disk.contents(name(7))).toEqual(bytes);
  });

  it('an unfinished snapshot restarts if its file is shorter than its name says', async () => {
    const disk = new SimulatedDisk();
    await disk.folder.create(part(7, 200));
    disk.overwrite(part(7, 200), (await encoded(7)).subarray(0, 190));
    const store = await opened(disk);
    expect((await store.create(metaAt(7))).offset).toBe(0);
    expect(disk.names).not.toContain(part(7, 200));
  });

  it('open rejects a damaged owner file and explains the fix', async () => {
    const disk = new SimulatedDisk();
    await (await opened(disk)).close();
    const contents = disk.contents('snapshot-owner');
    for (const wrong of [
      contents.subarray(1),
      contents.map((byte, i) => (i === 9 ? byte ^ 1 : byte)),
      new Uint8Array(0),
    ]) {
      disk.overwrite('snapshot-owner', wrong);
      await expect(opened(disk)).rejects.toThrow(/Remove the file if the folder belongs to this server/);
    }
    disk.overwrite('snapshot-owner', contents);
    await (await opened(disk)).close();
  });
});

describe('the owner of FileSnapshots', () => {
  it('open rejects a folder with a snapshot of another cluster', async () => {
    for (const [file, length] of [
      [name(7), Infinity],
      [part(7, 200), 200],
    ] as const) {
      const disk = new SimulatedDisk();
      await disk.folder.create(file);
      disk.overwrite(file, (await encoded(7)).subarray(0, length));
      const store = new FileSnapshots(disk.folder);
      await expect(store.open({ ...owner, cluster: 'other' })).rejects.toMatchObject({ code: 'KONTIKI_FOREIGN_DATA' });
      expect(disk.names).toContain(file);
    }
  });

  it('open lists a snapshot copied into an empty folder', async () => {
    const disk = new SimulatedDisk();
    await disk.folder.create(name(7));
    disk.overwrite(name(7), await encoded(7));
    expect(await indices(await opened(disk))).toEqual([7]);
  });
});

describe('failures of FileSnapshots', () => {
  const failing = (kind: DiskOperation['kind'], code: string): { disk: SimulatedDisk; arm: () => void } => {
    let armed = false;
    const disk = new SimulatedDisk({
      fail: (operation) => {
        if (!armed || operation.kind !== kind) return undefined;
        armed = false;
        return Object.assign(new Error(code), { code });
      },
    });
    return { disk, arm: () => void (armed = true) };
  };

  it.each([
    ['create', 'ENOSPC', 'KONTIKI_DISK_FULL'],
    ['write', 'ENOSPC', 'KONTIKI_DISK_FULL'],
    ['write', 'EDQUOT', 'KONTIKI_DISK_FULL'],
    ['datasync', 'ENOSPC', 'KONTIKI_DISK_FULL'],
    ['write', 'EIO', 'KONTIKI_STORE_FAILED'],
    ['datasync', 'EIO', 'KONTIKI_STORE_FAILED'],
    ['rename', 'EIO', 'KONTIKI_STORE_FAILED'],
    ['sync', 'EIO', 'KONTIKI_STORE_FAILED'],
  ] as const)(
    'a failed %s (%s) rejects with %s and leaves no file, and a later save succeeds',
    async (kind, code, expected) => {
      const { disk, arm } = failing(kind, code);
      const store = await opened(disk);
      await save(store, 5);
      arm();
      await expect(save(store, 7)).rejects.toMatchObject({ code: expected, cause: { code } });
      expect(disk.names.sort()).toEqual([name(5), 'snapshot-owner'].sort());
      expect(await indices(store)).toEqual([5]);
      await save(store, 7);
      expect(await indices(store)).toEqual([7, 5]);
    },
  );

  it.each([
    ['create', 'ENOSPC'],
    ['write', 'ENOSPC'],
    ['datasync', 'EIO'],
    ['rename', 'EIO'],
    ['sync', 'EIO'],
  ] as const)('open reports the folder and reason if a %s fails with %s, and succeeds later', async (kind, code) => {
    const { disk, arm } = failing(kind, code);
    arm();
    await expect(opened(disk)).rejects.toMatchObject({
      code: 'KONTIKI_STORE_FAILED',
      message: expect.stringContaining(`Cannot open the snapshot store in ${disk.folder.path}: ${code}`),
      cause: { code },
    });
    await save(await opened(disk), 5);
  });

  it('open reports which folder cannot be used, and why', async () => {
    const path = fileURLToPath(import.meta.url);
    await expect(new FileSnapshots(path).open(owner)).rejects.toMatchObject({
      code: 'KONTIKI_STORE_FAILED',
      message: expect.stringContaining(`Cannot open the snapshot store in ${path}: EEXIST`),
    });
  });

  it('a failed read reports the snapshot, the folder and the reason', async () => {
    const { disk, arm } = failing('read', 'EIO');
    const store = await opened(disk);
    await save(store, 5);
    arm();
    await expect(joined(store.read(metaAt(5).id))).rejects.toMatchObject({
      code: 'KONTIKI_STORE_FAILED',
      message: expect.stringContaining(`Cannot read snapshot ${metaAt(5).id} in ${disk.folder.path}: EIO`),
    });
    expect(await joined(store.read(metaAt(5).id))).toEqual(await encoded(5));
  });
});

describe('a pending write of FileSnapshots', () => {
  /**
   * Returns a writer whose write does not finish until `end` is called. `closed` returns how often
   * the file has been closed.
   */
  async function writing(): Promise<{
    store: FileSnapshots;
    writer: SnapshotWriter;
    end: (error?: Error) => void;
    closed: () => number;
  }> {
    const { folder } = new SimulatedDisk();
    let [end, closed]: [(error?: Error) => void, number] = [() => {}, 0];
    const watched = (file: File): File => ({
      size: () => file.size(),
      write: (bytes, offset) => file.write(bytes, offset),
      writeAsync: async (bytes, offset) => {
        await new Promise<void>((resolve, reject) => (end = (error) => (error ? reject(error) : resolve())));
        await file.writeAsync(bytes, offset);
      },
      datasync: () => file.datasync(),
      read: (offset, length) => file.read(offset, length),
      allocate: (size) => file.allocate(size),
      close: async () => void (closed += 1),
    });
    const store = new FileSnapshots({
      path: folder.path,
      list: () => folder.list(),
      open: (name) => folder.open(name),
      create: async (name) =>
        (name.startsWith('snapshot-part-') ? watched : (file: File): File => file)(await folder.create(name)),
      rename: (from, to) => folder.rename(from, to),
      remove: (name) => folder.remove(name),
      sync: () => folder.sync(),
      lock: (use) => folder.lock(use),
    });
    await store.open(owner);
    const writer = await store.create(metaAt(7));
    await writer.write((await encoded(7)).subarray(0, 150));
    return { store, writer, end: (error) => end(error), closed: () => closed };
  }

  it.each<[string, (store: FileSnapshots, writer: SnapshotWriter) => Promise<unknown>]>([
    ['its snapshot is aborted', (_, writer) => writer.abort()],
    ['its store closes', (store) => store.close()],
    ['damaged bytes follow', (_, writer) => writer.write(new Uint8Array(300)).catch(() => {})],
    ['its snapshot is finished too early', (_, writer) => writer.finish().catch(() => {})],
  ])('a pending write keeps its file open when %s', async (_, happens) => {
    const { store, writer, end, closed } = await writing();
    const happened = happens(store, writer);
    await new Promise(setImmediate);
    expect(closed()).toBe(0);
    end();
    await happened;
    expect(closed()).toBe(1);
  });

  it('the call after a failed write reports the failure', async () => {
    const { writer, end, closed } = await writing();
    end(Object.assign(new Error('no room'), { code: 'ENOSPC' }));
    await new Promise(setImmediate);
    await expect(writer.sync()).rejects.toMatchObject({ code: 'KONTIKI_DISK_FULL' });
    expect(closed()).toBe(1);
  });
});

it('FileSnapshots refuses an empty path', () => {
  expect(() => new FileSnapshots('')).toThrow(expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' }));
});
