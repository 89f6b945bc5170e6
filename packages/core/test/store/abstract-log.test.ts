// Shows the behavior that AbstractLog adds to a store: state checks, group commit and failure
// handling. The tests use a store that keeps its records in an array. Each test decides when writes
// end.
import { beforeEach, describe, expect, it } from 'vitest';
import { isKontikiError, type CommandEntry, type Entry, type Owner } from '@kontiki/core';
import { AbstractLog, LogStateTracker, type LogRecord, type OpenedLog } from '@kontiki/core/store';

const owner = { cluster: 'test', server: 'a' };

const command = (index: number, term = 1): CommandEntry => ({
  kind: 'command',
  index,
  term,
  data: new Uint8Array([index]),
});

/** Waits until all pending promises have settled. */
const settle = (): Promise<void> => new Promise(setImmediate);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (isKontikiError(error) ? error.code : String(error)),
  );
}

class SampleLog extends AbstractLog {
  tracker = new LogStateTracker();
  /** The records of all batches written so far. */
  readonly batches: (readonly LogRecord[])[] = [];
  readonly events: string[] = [];
  entries: Entry[] = [];
  /** Promises that the store awaits before opening, writing and reading. */
  opening: Promise<void> = Promise.resolve();
  writing: Promise<void> = Promise.resolve();
  reading: Promise<void> = Promise.resolve();

  override fail(cause: unknown): void {
    super.fail(cause);
  }

  override setFull(full: boolean): void {
    super.setFull(full);
  }

  protected override get _where(): string {
    return 'an array';
  }

  protected override async _open(_owner: Owner): Promise<OpenedLog> {
    this.events.push('open');
    await this.opening;
    return { tracker: this.tracker };
  }

  protected override async _write(records: readonly LogRecord[]): Promise<void> {
    this.batches.push(records);
    await this.writing;
    for (const record of records) {
      this.tracker.apply(record);
      if (record.kind === 'write') for (const entry of record.entries ?? []) this.entries[entry.index] = entry;
    }
  }

  protected override _onIdle(): void {
    this.events.push('idle');
  }

  protected override async _read(from: number, to: number): Promise<readonly Entry[]> {
    this.events.push(`read ${from} to ${to}`);
    await this.reading;
    return this.entries.slice(from, to + 1);
  }

  protected override async _retire(where: string): Promise<void> {
    this.events.push(`retire ${where}`);
    await this.writing;
  }

  protected override async _close(): Promise<void> {
    this.events.push('close');
  }
}

/** Returns a promise that the test can resolve or reject. */
function gate(): { promise: Promise<void>; open: () => void; fail: (error: Error) => void } {
  let [open, fail]: [() => void, (error: Error) => void] = [() => {}, () => {}];
  const promise = new Promise<void>((resolve, reject) => ([open, fail] = [resolve, reject]));
  return { promise, open, fail };
}

let log: SampleLog;
beforeEach(() => {
  log = new SampleLog();
});

describe('AbstractLog: opening and closing', () => {
  it('open rejects invalid ids', async () => {
    expect(await codeOf(log.open({ ...owner, server: '' }))).toBe('KONTIKI_BAD_OPTION');
    expect(await codeOf(log.open({ ...owner, cluster: 'a/b' }))).toBe('KONTIKI_BAD_OPTION');
    expect(log.events).toEqual([]);
  });

  it('open rejects while the log is opening or closing', async () => {
    const opening = gate();
    log.opening = opening.promise;
    const first = log.open(owner);
    expect(await codeOf(log.open(owner))).toBe('KONTIKI_LOCKED');
    opening.open();
    await first;
    const closed = log.close();
    expect(await codeOf(log.open(owner))).toBe('KONTIKI_LOCKED');
    await closed;
    expect(await codeOf(log.open(owner))).toBe('none');
  });

  it('a log that failed to open can be opened again', async () => {
    log.opening = Promise.reject(new Error('EIO'));
    const error: unknown = await log.open(owner).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'KONTIKI_STORE_FAILED', cause: { message: 'EIO' } });
    expect((error as Error).message).toContain('Cannot open the log in an array: EIO.');
    log.opening = Promise.resolve();
    expect((await log.open(owner)).last).toBe(0);
  });

  it('close during open closes the log once open finishes', async () => {
    const opening = gate();
    log.opening = opening.promise;
    const opened = log.open(owner);
    const closed = log.close();
    opening.open();
    await Promise.all([opened, closed]);
    expect(log.events).toEqual(['open', 'close']);
    expect(await codeOf(log.read(1, 1, 1))).toBe('KONTIKI_CLOSED');
  });

  it('concurrent calls to close close the log once', async () => {
    await log.open(owner);
    await Promise.all([log.close(), log.close()]);
    expect(log.events).toEqual(['open', 'close']);
  });

  it('open rejects and closes a log that ends before its commit index', async () => {
    log.tracker.apply({ kind: 'write', entries: [command(1)], committed: 2 });
    expect(await codeOf(log.open(owner))).toBe('KONTIKI_LOST_DATA');
    expect(log.events).toEqual(['open', 'close']);
  });

  it('open rejects with KONTIKI_LOST_DATA even if closing the log then fails', async () => {
    class Stuck extends SampleLog {
      protected override _close(): Promise<void> {
        return Promise.reject(new Error('EIO, close'));
      }
    }
    log = new Stuck();
    log.tracker.apply({ kind: 'write', entries: [command(1)], committed: 2 });
    expect(await codeOf(log.open(owner))).toBe('KONTIKI_LOST_DATA');
  });
});

describe('AbstractLog: writing', () => {
  it('calls made during a write share the next write', async () => {
    await log.open(owner);
    const writing = gate();
    log.writing = writing.promise;
    const calls = [1, 2, 3, 4].map((index) => log.append({ entries: [command(index)] }));
    await settle();
    expect(log.batches.map(({ length }) => length)).toEqual([1]);
    writing.open();
    await Promise.all(calls);
    expect(log.batches.map(({ length }) => length)).toEqual([1, 3]);
    expect(log.events).toEqual(['open', 'idle']);
  });

  it('a failed write makes all waiting and later calls reject', async () => {
    await log.open(owner);
    const writing = gate();
    log.writing = writing.promise;
    const calls = [1, 2].map((index) => log.append({ entries: [command(index)] }));
    writing.fail(new Error('EIO'));
    expect(await Promise.all(calls.map(codeOf))).toEqual(['KONTIKI_STORE_FAILED', 'KONTIKI_STORE_FAILED']);
    expect(await codeOf(log.append({ committed: 1 }))).toBe('KONTIKI_STORE_FAILED');
    expect(await codeOf(log.retire('elsewhere'))).toBe('KONTIKI_STORE_FAILED');
    expect(log.batches.length).toBe(1);
  });

  it('a background failure makes later calls reject, even if it occurs during open', async () => {
    const opening = gate();
    log.opening = opening.promise;
    const opened = log.open(owner);
    log.fail(new Error('EIO'));
    opening.open();
    await opened;
    expect(await codeOf(log.append({ entries: [command(1)] }))).toBe('KONTIKI_STORE_FAILED');
    await log.close();
    expect(await codeOf(log.open(owner))).toBe('none');
    expect(await codeOf(log.append({ entries: [command(1)] }))).toBe('none');
  });

  it('a failed retirement makes later calls reject', async () => {
    await log.open(owner);
    log.writing = Promise.reject(new Error('EIO'));
    expect(await codeOf(log.retire('elsewhere'))).toBe('KONTIKI_STORE_FAILED');
    expect(await codeOf(log.append({ entries: [command(1)] }))).toBe('KONTIKI_STORE_FAILED');
  });
});

describe('AbstractLog: reading', () => {
  it('reading undurable entries does not read from the store', async () => {
    await log.open(owner);
    const writing = gate();
    log.writing = writing.promise;
    const written = log.append({ entries: [command(1), command(2)] });
    expect(await log.read(1, 9, Infinity)).toEqual([command(1), command(2)]);
    writing.open();
    await written;
    expect(await log.read(1, 9, Infinity)).toEqual([command(1), command(2)]);
    expect(log.events).toEqual(['open', 'idle', 'read 1 to 2']);
  });

  it('a read does not request entries that a waiting call is about to replace', async () => {
    await log.open(owner);
    await log.append({ entries: [1, 2, 3, 4].map((index) => command(index)) });
    const writing = gate();
    log.writing = writing.promise;
    const written = log.append({ entries: [command(3, 2)] });
    expect(await log.read(1, 9, Infinity)).toEqual([command(1), command(2), command(3, 2)]);
    expect(log.events).toEqual(['open', 'idle', 'read 1 to 2']);
    writing.open();
    await written;
  });

  it('a read that fails because entries were replaced is repeated', async () => {
    await log.open(owner);
    await log.append({ entries: [1, 2, 3].map((index) => command(index)) });
    const reading = gate();
    log.reading = reading.promise;
    const read = log.read(1, 3, Infinity);
    await log.append({ entries: [command(2, 2)] });
    log.reading = Promise.resolve();
    reading.fail(new Error('half of it is gone'));
    expect(await read).toEqual([command(1), command(2, 2)]);
  });

  it('a failed read rejects with the cause', async () => {
    await log.open(owner);
    await log.append({ entries: [command(1)] });
    log.reading = Promise.reject(new Error('EIO'));
    const error: unknown = await log.read(1, 1, 1).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'KONTIKI_STORE_FAILED', cause: { message: 'EIO' } });
  });

  it('a read that fails because of compaction rejects with KONTIKI_COMPACTED', async () => {
    await log.open(owner);
    await log.append({ entries: [command(1), command(2)] });
    const reading = gate();
    log.reading = reading.promise;
    const read = log.read(1, 1, 1);
    await log.compact({ index: 1, term: 1, membership: undefined, genesis: 7 });
    reading.fail(new Error('the file is gone'));
    expect(await codeOf(read)).toBe('KONTIKI_COMPACTED');
  });

  it('close waits for pending reads', async () => {
    await log.open(owner);
    await log.append({ entries: [command(1)] });
    const reading = gate();
    log.reading = reading.promise;
    const read = log.read(1, 1, 1);
    const closed = log.close();
    await settle();
    expect(log.events).not.toContain('close');
    reading.open();
    await Promise.all([read, closed]);
    expect(log.events.at(-1)).toBe('close');
  });
});

it('onFull calls its listener immediately if the disk is already full', async () => {
  await log.open(owner);
  log.setFull(true);
  const heard: boolean[] = [];
  log.onFull((full) => heard.push(full));
  log.setFull(false);
  expect(heard).toEqual([true, false]);
});
