import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, it } from 'vitest';
import { isKontikiError, type Entry, type KontikiError, type LogState } from '@kontiki/core';
import { SimulatedDisk, VirtualClock, type DiskOperation } from '@kontiki/testing';
import { FileLog } from '../src/file-log.js';
import { command, first, membership, openLog, owner } from './samples.js';

let disk: SimulatedDisk;
let log: FileLog;
let operations: DiskOperation[];
let fail: (operation: DiskOperation) => Error | undefined;
let delay: Promise<void> | undefined;

beforeEach(() => {
  operations = [];
  fail = () => undefined;
  delay = undefined;
  disk = new SimulatedDisk({
    fail: (operation) => {
      operations.push(operation);
      return fail(operation);
    },
    delay: () => delay ?? Promise.resolve(),
  });
  log = openLog(disk, 4_000);
});

const count = (kind: DiskOperation['kind']): number => operations.filter((operation) => operation.kind === kind).length;
const errno = (code: string): Error => Object.assign(new Error(code), { code });

async function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (isKontikiError(error) ? error.code : String(error)),
  );
}

async function reopened(at = disk, segmentBytes = 4_000): Promise<{ state: LogState; log: FileLog }> {
  at.crash('process');
  const next = openLog(at, segmentBytes);
  return { state: await next.open(owner), log: next };
}

describe('group commit of a file log', () => {
  it('calls made during a sync share the next sync and resolve in order', async () => {
    await log.open(owner);
    await log.append({ entries: [first] });
    let release = (): void => {};
    delay = new Promise((resolve) => (release = resolve));
    const before = { writes: count('write'), syncs: count('datasync') };
    const order: number[] = [];
    const calls = Array.from({ length: 20 }, (_, i) =>
      log.append({ entries: [command(i + 2, 1)] }).then(() => order.push(i)),
    );
    expect(count('write') - before.writes).toBe(1); // The write starts during the call.
    delay = undefined;
    release();
    await Promise.all(calls);
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(count('datasync') - before.syncs).toBe(2);
    expect(count('write') - before.writes).toBe(3); // Two batches and the idle mark.
  });

  it('a file log writes no bytes during a sync', async () => {
    let isSyncing = false;
    const written: string[] = [];
    const strict = new SimulatedDisk({
      fail: ({ kind, name }) => {
        if (kind === 'write' && isSyncing && name !== 'spare') written.push(name);
        if (kind === 'datasync') isSyncing = true;
        return undefined;
      },
      delay: async ({ kind }) => {
        await Promise.resolve();
        if (kind === 'datasync') isSyncing = false;
      },
    });
    const strictLog = openLog(strict, 1_000);
    await strictLog.open(owner);
    await strictLog.append({ entries: [first] });
    await Promise.all(Array.from({ length: 60 }, (_, i) => strictLog.append({ entries: [command(i + 2, 1, 50)] })));
    expect(written).toEqual([]);
  });

  it('a commit index alone causes no write and is stored with the next write', async () => {
    await log.open(owner);
    await log.append({ entries: [first] });
    const before = operations.length;
    await log.append({ committed: 1 });
    expect(operations.length).toBe(before);
    await log.append({ ballot: { term: 2, votedFor: undefined }, committed: 1 });
    expect((await reopened()).state.committed).toBe(1);
  });
});

it('open reports which folder cannot be used, and why', async () => {
  const path = fileURLToPath(import.meta.url);
  await expect(new FileLog(path).open(owner)).rejects.toMatchObject({
    code: 'KONTIKI_STORE_FAILED',
    message: expect.stringContaining(`Cannot open the log in ${path}: EEXIST`),
  });
});

describe('reading a file log', () => {
  it('read spans batches and segments, before and after a restart', async () => {
    await log.open(owner);
    const entries: Entry[] = [first];
    await log.append({ entries: [first] });
    for (let index = 2; index < 200; index += 1) {
      const entry = command(index, 1 + Math.floor(index / 50), index % 90);
      entries.push(entry);
      await log.append({ entries: [entry] });
    }
    expect(disk.names.length).toBeGreaterThan(3);
    expect(await log.read(1, 199, Infinity)).toEqual(entries);
    const next = await reopened();
    expect(await next.log.read(1, 199, Infinity)).toEqual(entries);
    expect(next.state.terms).toEqual([1, 50, 100, 150].map((index) => ({ index, term: 1 + Math.floor(index / 50) })));
  });

  it('compact removes whole segments and keeps later entries readable', async () => {
    await log.open(owner);
    await log.append({ entries: [first] });
    for (let index = 2; index <= 100; index += 1) await log.append({ entries: [command(index, 1, 100)] });
    const files = disk.names.length;
    await log.compact({ index: 60, term: 1, membership: { index: 1, membership }, genesis: 5 });
    expect(disk.names.length).toBeLessThan(files);
    expect(await code(log.read(60, 70, Infinity))).toBe('KONTIKI_COMPACTED');
    expect(await log.read(61, 100, Infinity)).toHaveLength(40);
    const { state, log: next } = await reopened();
    expect(state).toMatchObject({ last: 100, base: { index: 60, term: 1, genesis: 5 }, terms: [], memberships: [] });
    expect(state.genesis).toBeGreaterThan(0);
    expect(await next.read(61, 100, Infinity)).toHaveLength(40);
    expect(await code(next.append({ entries: [command(60, 2)] }))).toBe('KONTIKI_INVARIANT');
    expect(await code(next.append({ entries: [command(102, 2)] }))).toBe('KONTIKI_INVARIANT');
    await next.append({ entries: [command(101, 2)] });
  });

  it('a batch larger than a segment is written to a larger segment', async () => {
    await log.open(owner);
    await log.append({ entries: [first, command(2, 1, 20_000)] });
    await log.append({ entries: [command(3, 1)] });
    expect(
      (await (await reopened()).log.read(2, 3, Infinity)).map((e) => e.kind === 'command' && e.data.length),
    ).toEqual([20_000, 20]);
  });
});

describe('failures of a file log', () => {
  it.each(['write', 'datasync'] as const)(
    'a failed %s makes the log unusable and is not retried (bugs.md#118, bugs.md#119)',
    async (kind) => {
      for (const errorCode of ['EIO', 'ENOSPC']) {
        disk = new SimulatedDisk({ fail: (operation) => fail(operation) });
        log = openLog(disk, 4_000);
        await log.open(owner);
        await log.append({ entries: [first] });
        let failures = 0;
        fail = (operation) => (operation.kind === kind && failures++ === 0 ? errno(errorCode) : undefined);
        const both = [log.append({ entries: [command(2, 1)] }), log.append({ entries: [command(3, 1)] })];
        expect(await Promise.all(both.map(code))).toEqual(['KONTIKI_STORE_FAILED', 'KONTIKI_STORE_FAILED']);
        const before = failures;
        expect(await code(log.append({ entries: [command(2, 1)] }))).toBe('KONTIKI_STORE_FAILED');
        expect(await code(log.read(1, 1, 1))).toBe('KONTIKI_STORE_FAILED');
        expect(failures).toBe(before);
        await log.close();
        fail = () => undefined;
        // At the next start, the log syncs all data that it finds, and then accepts writes.
        const { state, log: next } = await reopened();
        expect(state.last).toBeGreaterThanOrEqual(1);
        await next.append({ entries: [command(state.last + 1, 1)] });
        disk.crash('power');
        expect((await openLog(disk, 4_000).open(owner)).last).toBe(state.last + 1);
      }
    },
  );

  it.each(['fails', 'power', 'process'] as const)(
    'a retirement interrupted at any step (%s) leaves the log retired or unchanged',
    async (end) => {
      let step = 0;
      const found = new Set<string>();
      for (let resolved = false; !resolved;) {
        step += 1;
        let steps = 0;
        disk = new SimulatedDisk({ fail: (operation) => fail(operation) });
        log = openLog(disk, 4_000);
        await log.open(owner);
        await log.append({ ballot: { term: 1, votedFor: 'a' }, entries: [first] });
        if (end === 'fails') fail = () => (++steps === step ? errno('EIO') : undefined);
        else disk.crashAt = { operation: disk.operations + step, kind: end };
        const crashed = new Promise<string>((resolve) => (disk.onCrash = () => resolve('crashed')));
        const ended = await Promise.race([code(log.retire('level:elsewhere')), crashed]);
        resolved = ended === 'none';
        fail = () => undefined;
        if (end === 'fails' && !resolved) {
          expect(ended).toBe('KONTIKI_STORE_FAILED');
          expect(await code(log.append({ ballot: { term: 2, votedFor: 'b' } }))).toBe('KONTIKI_STORE_FAILED');
          await log.close();
        }
        disk.crash('power');
        const opened = openLog(disk, 4_000).open(owner);
        const refused = await code(opened);
        found.add(refused);
        if (resolved) expect(refused).toBe('KONTIKI_MOVED');
        if (refused === 'none') expect(await opened).toMatchObject({ ballot: { term: 1 }, last: 1 });
      }
      expect(step).toBeGreaterThan(5);
      expect([...found]).toEqual(['none', 'KONTIKI_MOVED']);
    },
  );

  it('a log is not retired if an earlier call fails', async () => {
    await log.open(owner);
    let failures = 0;
    fail = ({ kind }) => (kind === 'datasync' && failures++ === 0 ? errno('EIO') : undefined);
    const both = [log.append({ entries: [first] }), log.retire('level:elsewhere')];
    expect(await Promise.all(both.map(code))).toEqual(['KONTIKI_STORE_FAILED', 'KONTIKI_STORE_FAILED']);
    await log.close();
    expect(await code(reopened())).toBe('none');
  });

  it('open and read reject with KONTIKI_STORE_FAILED on a disk error at any step', async () => {
    await log.open(owner);
    await log.append({ entries: [first] });
    for (let step = 1, refused = ''; refused !== 'none'; step += 1) {
      disk.crash('process');
      log = openLog(disk, 4_000);
      let steps = 0;
      fail = ({ kind }) => (kind !== 'allocate' && ++steps === step ? errno('EIO') : undefined);
      refused = await code(log.open(owner).then(() => log.read(1, 1, 1)));
      fail = () => undefined;
      expect(['KONTIKI_STORE_FAILED', 'none']).toContain(refused);
    }
  });

  it('onFull reports a full disk while votes still fit, and reports free space later', async () => {
    const clock = new VirtualClock();
    log = new FileLog(disk.folder, { segmentBytes: 4_000, clock });
    const reports: boolean[] = [];
    log.onFull((full) => reports.push(full));
    let full = true;
    fail = ({ kind, name }) =>
      full && kind === 'allocate' && name === 'spare' && disk.names.length > 1 ? errno('ENOSPC') : undefined;
    await log.open(owner);
    await clock.elapse(10);
    expect(reports).toEqual([true]);
    for (let term = 1; term < 10; term += 1) await log.append({ ballot: { term, votedFor: 'b' } });
    await clock.elapse(3_000);
    expect(reports).toEqual([true]);
    full = false;
    await clock.elapse(1_100);
    expect(reports).toEqual([true, false]);
  });

  it('allocation on a full disk is retried even after a different kind of error', async () => {
    const clock = new VirtualClock();
    log = new FileLog(disk.folder, { segmentBytes: 4_000, clock });
    const reports: boolean[] = [];
    log.onFull((full) => reports.push(full));
    let failure: string | undefined = 'ENOSPC';
    fail = ({ kind, name }) =>
      failure !== undefined && kind === 'allocate' && name === 'spare' && disk.names.length > 1
        ? errno(failure)
        : undefined;
    await log.open(owner);
    await clock.elapse(10);
    failure = 'EMFILE';
    await clock.elapse(3_000);
    failure = undefined;
    await clock.elapse(1_100);
    expect(reports).toEqual([true, false]);
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 31])('the FileLog constructor throws if segmentBytes is %s', (segmentBytes) => {
    expect(() => new FileLog('x', { segmentBytes })).toThrow(/segmentBytes must be an integer from 512/);
  });

  it('a write that needs a new segment on a full disk makes the log unusable', async () => {
    fail = ({ kind, name }) =>
      kind === 'allocate' && name === 'spare' && disk.names.length > 1 ? errno('ENOSPC') : undefined;
    await log.open(owner);
    await log.append({ entries: [first] });
    expect(await code(log.append({ entries: [command(2, 1, 10_000)] }))).toBe('KONTIKI_STORE_FAILED');
  });

  it('open reports the folder and the reason if a segment does not fit on the disk', async () => {
    fail = ({ kind }) => (kind === 'allocate' ? errno('ENOSPC') : undefined);
    const error: unknown = await log.open(owner).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'KONTIKI_STORE_FAILED', cause: { code: 'ENOSPC' } });
    expect((error as Error).message).toContain(`Cannot open the log in ${disk.folder.path}: ENOSPC`);
    fail = () => undefined;
    expect((await log.open(owner)).last).toBe(0);
  });

  it('open rejects a log that ends before its commit index', async () => {
    await log.open(owner);
    await log.append({ entries: [first], committed: 1 });
    await log.append({ ballot: { term: 1, votedFor: undefined }, committed: 9 });
    await log.close();
    expect(await code(openLog(disk).open(owner))).toBe('KONTIKI_LOST_DATA');
  });

  it('open rejects a missing or damaged segment in the middle (bugs.md#113)', async () => {
    await log.open(owner);
    await log.append({ entries: [first] });
    for (let index = 2; index <= 100; index += 1) await log.append({ entries: [command(index, 1, 100)] });
    await log.close();
    const segments = disk.names.filter((name) => name.startsWith('wal-')).sort();
    const middle = segments[1] as string;
    const contents = disk.contents(middle);
    disk.overwrite(
      middle,
      contents.map((byte, i) => (i === 2_000 ? byte ^ 1 : byte)),
    );
    const error = (await openLog(disk)
      .open(owner)
      .catch((e: unknown) => e)) as KontikiError;
    expect([error.code, error.message]).toEqual(['KONTIKI_CORRUPT', expect.stringContaining(middle)]);
    disk.overwrite(middle, contents);
    await disk.folder.remove(middle);
    expect(await code(openLog(disk).open(owner))).toBe('KONTIKI_CORRUPT');
    await disk.folder.remove(segments[0] as string);
    await disk.folder.remove(segments[2] as string);
    expect(await code(openLog(disk).open(owner))).toBe('KONTIKI_CORRUPT'); // The oldest segments are missing.
  });
});

it('pages of one large batch are read from the disk once', async () => {
  let reads = 0;
  const disk = new SimulatedDisk({ delay: async ({ kind }) => void (kind === 'read' && (reads += 1)) });
  const log = openLog(disk, 1024 * 1024);
  await log.open(owner);
  // The first append forms a batch of its own. The others share the next batch.
  await Promise.all([
    log.append({ entries: [first] }),
    ...Array.from({ length: 100 }, (_, i) => log.append({ entries: [command(i + 2, 1, 1_000)] })),
  ]);
  reads = 0;
  const found: number[] = [];
  while (found.length < 101) found.push(...(await log.read(found.length + 1, 101, 5_000)).map(({ index }) => index));
  expect(found).toEqual(Array.from({ length: 101 }, (_, i) => i + 1));
  expect(reads).toBeLessThanOrEqual(2);
  await log.close();
});

it.each([
  ['', '""'],
  [undefined, 'undefined'],
  [null, 'null'],
  [7, '7'],
])('FileLog refuses the folder %o', (folder, text) => {
  expect(() => new FileLog(folder as string)).toThrow(
    expect.objectContaining({ code: 'KONTIKI_BAD_OPTION', message: expect.stringContaining(text) }),
  );
});
