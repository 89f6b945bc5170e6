// Shows the behavior that AbstractSnapshots adds to a store: checked writes, resumed writes,
// readers and removals. The tests use a store that keeps its bytes in a map by location. Each test
// can make a call fail.
import { beforeEach, describe, expect, it } from 'vitest';
import { isKontikiError, membershipOf, type Owner, type SnapshotInfo, type SnapshotMeta } from '@kontiki/core';
import {
  AbstractSnapshots,
  type FinishedSnapshot,
  type OpenedSnapshots,
  type SnapshotSink,
  type UnfinishedSnapshot,
} from '@kontiki/core/store';
import { encodeSnapshot } from '@kontiki/core/wire';

const owner = { cluster: 'test', server: 'a' };

function metaAt(index: number): SnapshotMeta {
  return {
    id: `${index}`.padStart(32, '0'),
    cluster: owner.cluster,
    last: { index, term: 1 },
    membership: { index: 1, membership: membershipOf([['a', { address: 'a', metadata: '' }]]) },
    genesis: 1,
    version: 1,
  };
}

async function joined(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** Resolves with the bytes of the snapshot at `index`. */
function encoded(index: number, length = 600_000): Promise<Uint8Array> {
  async function* state(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(length).fill(index);
  }
  return joined(encodeSnapshot(metaAt(index), state()));
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (isKontikiError(error) ? error.code : String(error)),
  );
}

type Call = 'write' | 'finish' | 'remove' | 'free' | 'read';

class SampleSnapshots extends AbstractSnapshots<string> {
  readonly bytes = new Map<string, Uint8Array>();
  readonly finished: FinishedSnapshot<string>[] = [];
  readonly unfinished: UnfinishedSnapshot<string>[] = [];
  readonly events: string[] = [];
  /** The call to fail the next time it is made. It fails only once. */
  failing: Call | undefined;
  error: Error = new Error('EIO');
  /** The promise that the store awaits before finishing and removing a snapshot. */
  changing: Promise<void> = Promise.resolve();
  #created = 0;

  protected override get _where(): string {
    return 'a map';
  }

  protected override async _open(_owner: Owner): Promise<OpenedSnapshots<string>> {
    return { finished: this.finished, unfinished: this.unfinished };
  }

  protected override async _create(
    _meta: SnapshotMeta,
    resumed: UnfinishedSnapshot<string> | undefined,
  ): Promise<SnapshotSink<string>> {
    this.#created += 1;
    const location = resumed?.location ?? `new ${this.#created}`;
    this.bytes.set(location, this.bytes.get(location)?.slice(0, resumed?.bytes) ?? new Uint8Array());
    return {
      location,
      write: async (bytes) => {
        this.#failIf('write');
        this.bytes.set(location, new Uint8Array(Buffer.concat([this.bytes.get(location) as Uint8Array, bytes])));
      },
      sync: async () => {},
      finish: async (_info: SnapshotInfo, replaced: string | undefined) => {
        this.#failIf('finish');
        await this.changing;
        this.events.push(`finish ${location}${replaced === undefined ? '' : ` instead of ${replaced}`}`);
        return location;
      },
      close: async () => void this.events.push(`close ${location}`),
    };
  }

  protected override async *_read(location: string, offset: number, end: number): AsyncGenerator<Uint8Array, void> {
    const bytes = this.bytes.get(location) as Uint8Array;
    try {
      for (let at = offset; at < Math.min(end, bytes.length); at += 300_000) {
        this.#failIf('read');
        yield bytes.subarray(at, Math.min(end, at + 300_000));
      }
    } finally {
      this.events.push(`end reading ${location}`);
    }
  }

  protected override async _remove(location: string): Promise<void> {
    this.#failIf('remove');
    await this.changing;
    this.events.push(`remove ${location}`);
  }

  protected override async _free(location: string): Promise<void> {
    this.#failIf('free');
    this.events.push(`free ${location}`);
  }

  protected override async _close(): Promise<void> {
    this.events.push('close the store');
  }

  #failIf(call: Call): void {
    if (this.failing !== call) return;
    this.failing = undefined;
    throw this.error;
  }
}

let store: SampleSnapshots;
beforeEach(async () => {
  store = new SampleSnapshots();
});

async function save(index: number): Promise<void> {
  const writer = await store.create(metaAt(index));
  await writer.write((await encoded(index)).subarray(writer.offset));
  await writer.finish();
}

describe('AbstractSnapshots: reading', () => {
  it('read splits pieces that are longer than a chunk', async () => {
    await store.open(owner);
    await save(1);
    const sizes: number[] = [];
    for await (const { length } of store.read(metaAt(1).id, 100_000)) sizes.push(length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(252 * 1024);
    const rest = await joined(store.read(metaAt(1).id, 100_000));
    expect(Buffer.compare(rest, (await encoded(1)).subarray(100_000))).toBe(0);
  });

  it('reading a truncated snapshot rejects with KONTIKI_CORRUPT', async () => {
    await store.open(owner);
    await save(1);
    store.bytes.set('new 1', (await encoded(1)).subarray(0, 350_000));
    expect(await codeOf(joined(store.read(metaAt(1).id)))).toBe('KONTIKI_CORRUPT');
  });

  it('a removed snapshot is freed after its last reader ends', async () => {
    await store.open(owner);
    await save(1);
    const readers = [store.read(metaAt(1).id), store.read(metaAt(1).id)];
    for (const reader of readers) await reader.next();
    await store.remove(metaAt(1).id);
    await readers[0]?.return();
    expect(store.events).not.toContain('free new 1');
    for await (const _ of readers[1] as AsyncIterable<Uint8Array>);
    expect(store.events).toContain('free new 1');
  });

  it('a replaced snapshot is freed after its last reader ends', async () => {
    await store.open(owner);
    await save(1);
    const reader = store.read(metaAt(1).id);
    await reader.next();
    await save(1);
    expect(store.events).toContain('finish new 2 instead of new 1');
    expect(store.events).not.toContain('free new 1');
    await reader.return();
    expect(store.events).toContain('free new 1');
  });

  it('close ends abandoned readers', async () => {
    await store.open(owner);
    await save(1);
    const reader = store.read(metaAt(1).id);
    await reader.next();
    await store.close();
    expect(store.events.slice(-2)).toEqual(['end reading new 1', 'close the store']);
    await store.open(owner);
    expect(await codeOf(reader.next())).toBe('KONTIKI_CLOSED');
  });
});

describe('AbstractSnapshots: writing', () => {
  it('create resumes an unfinished snapshot after checking it', async () => {
    store.bytes.set('old', await encoded(1));
    store.unfinished.push({ id: metaAt(1).id, location: 'old', bytes: 400_000 });
    await store.open(owner);
    const writer = await store.create(metaAt(1));
    expect(writer.offset).toBe(400_000);
    await writer.write((await encoded(1)).subarray(400_000));
    await writer.finish();
    expect(Buffer.compare(await joined(store.read(metaAt(1).id)), await encoded(1))).toBe(0);
  });

  it.each([
    ['is damaged', 1, 400_000],
    ['is shorter than its durable bytes', 0, 700_000],
  ])('create restarts an unfinished snapshot that %s', async (_, flippedBits, bytes) => {
    const held = await encoded(1);
    held[0] = (held[0] as number) ^ flippedBits;
    store.bytes.set('old', held);
    store.unfinished.push({ id: metaAt(1).id, location: 'old', bytes });
    await store.open(owner);
    expect((await store.create(metaAt(1))).offset).toBe(0);
    expect(store.events.slice(-2)).toEqual(['remove old', 'free old']);
  });

  it('create removes unfinished snapshots with other ids', async () => {
    store.unfinished.push({ id: metaAt(1).id, location: 'old', bytes: 0 });
    await store.open(owner);
    await store.create(metaAt(2));
    expect(store.events).toEqual(['remove old', 'free old']);
  });

  it.each([
    ['write', 'ENOSPC', 'KONTIKI_DISK_FULL'],
    ['finish', 'EDQUOT', 'KONTIKI_DISK_FULL'],
    ['write', 'EIO', 'KONTIKI_STORE_FAILED'],
  ] as const)('a %s that fails with %s rejects with %s and removes the written bytes', async (call, code, expected) => {
    await store.open(owner);
    store.failing = call;
    store.error = Object.assign(new Error(code), { code });
    expect(await codeOf(save(1))).toBe(expected);
    expect(store.events).toEqual(['close new 1', 'remove new 1', 'free new 1']);
    expect(await store.list()).toEqual([]);
    await save(1);
  });

  it('close closes unfinished snapshots and keeps their bytes', async () => {
    await store.open(owner);
    const writer = await store.create(metaAt(1));
    await writer.write((await encoded(1)).subarray(0, 1_000));
    await store.close();
    expect(store.events).toEqual(['close new 1', 'close the store']);
    expect(await codeOf(writer.sync())).toBe('KONTIKI_CLOSED');
  });
});

describe('AbstractSnapshots: removing', () => {
  it('a failed remove can be retried', async () => {
    await store.open(owner);
    await save(1);
    store.failing = 'remove';
    expect(await codeOf(store.remove(metaAt(1).id))).toBe('KONTIKI_STORE_FAILED');
    expect((await store.list()).length).toBe(1);
    await store.remove(metaAt(1).id);
    expect(await store.list()).toEqual([]);
  });

  it('remove succeeds even if freeing the bytes fails', async () => {
    await store.open(owner);
    await save(1);
    store.failing = 'free';
    await store.remove(metaAt(1).id);
    await store.close();
    expect(store.events.at(-1)).toBe('close the store');
  });
});

describe('concurrent changes', () => {
  /** Makes changes to the store wait. Returns a function that lets them continue. */
  function holdChanges(): () => void {
    let release = (): void => {};
    store.changing = new Promise((resolve) => (release = resolve));
    return release;
  }

  it('create waits until a leftover with the same id is removed', async () => {
    store.unfinished.push({ id: metaAt(1).id, location: 'old 1', bytes: 3 });
    store.unfinished.push({ id: metaAt(2).id, location: 'old 2', bytes: 3 });
    await store.open(owner);
    const release = holdChanges();
    const creating = [store.create(metaAt(3)), store.create(metaAt(1))];
    release();
    await Promise.all(creating);
    expect(store.events).toEqual(['remove old 1', 'free old 1', 'remove old 2', 'free old 2']);
    expect([...store.bytes.keys()]).toEqual(['new 1', 'new 2']);
  });

  it('remove waits for a snapshot of the same id that is being finished', async () => {
    await store.open(owner);
    await save(1);
    const writer = await store.create(metaAt(1));
    await writer.write(await encoded(1));
    const release = holdChanges();
    const finished = writer.finish();
    const removed = store.remove(metaAt(1).id);
    release();
    await Promise.all([finished, removed]);
    expect(store.events.slice(-2)).toEqual(['remove new 2', 'free new 2']);
    expect(await store.list()).toEqual([]);
  });

  it('close closes the store even if a reader fails to end, and reports the failure', async () => {
    class Stuck extends SampleSnapshots {
      protected override async *_read(): AsyncGenerator<Uint8Array, void> {
        await using _file = { [Symbol.asyncDispose]: () => Promise.reject(new Error('EIO, close')) };
        for (;;) yield new Uint8Array(10);
      }
    }
    store = new Stuck();
    await store.open(owner);
    await save(1);
    await store.read(metaAt(1).id)[Symbol.asyncIterator]().next();
    expect(await codeOf(store.close())).toBe('KONTIKI_STORE_FAILED');
    expect(store.events.at(-1)).toBe('close the store');
  });
});
