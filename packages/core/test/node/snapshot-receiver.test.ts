import { MemorySnapshots, type SnapshotMeta } from '@kontiki/core';
import { encodeSnapshot } from '@kontiki/core/wire';
import { VirtualClock } from '@kontiki/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { SnapshotReceiver } from '../../src/node/snapshots/receiver.js';
import { bytes } from './harness.js';
import { metaOf } from './sample-meta.js';

const clock = new VirtualClock();
const from = { term: 2, incarnation: 1, stream: 1 };

const [first, second, third] = [metaOf('a', 10), metaOf('b', 20), metaOf('c', 30)];

async function encoded(meta: SnapshotMeta, held: Uint8Array = bytes('state')): Promise<Uint8Array> {
  async function* state(): AsyncIterable<Uint8Array> {
    yield held;
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeSnapshot(meta, state())) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** A store that is slow when the test says so, and whose writers are counted. */
class SlowSnapshots extends MemorySnapshots {
  gate: Promise<void> = Promise.resolve();
  readonly writing = new Set<string>();
  /** What its syncs come to, one after the other; done at once when there is none. */
  readonly syncs: Promise<void>[] = [];
  synced = 0;

  override async create(meta: SnapshotMeta): ReturnType<MemorySnapshots['create']> {
    await this.gate;
    const writer = await super.create(meta);
    this.writing.add(meta.id);
    const over = (): boolean => this.writing.delete(meta.id);
    return {
      get offset() {
        return writer.offset;
      },
      write: (data) => this.gate.then(() => writer.write(data)),
      sync: () => {
        this.synced += 1;
        return this.syncs.shift() ?? writer.sync();
      },
      finish: () => this.gate.then(() => writer.finish()).finally(over),
      abort: () => writer.abort().finally(over),
    };
  }
}

describe('a snapshot that arrives', () => {
  let store: SlowSnapshots;
  let receiver: SnapshotReceiver;
  let open = (): void => {};
  let told: [id: string, offset: number][] = [];
  let failures: Error[] = [];
  let received: string[] = [];

  beforeEach(async () => {
    store = new SlowSnapshots();
    await store.open({ cluster: 'test', server: 'c' });
    [told, failures, received] = [[], [], []];
    receiver = new SnapshotReceiver({
      store,
      clock,
      acknowledge: (_from, _message, id, offset) => told.push([id, offset]),
      onReceived: ({ id }) => received.push(id),
      onProgress: () => {},
      onFailure: (error) => failures.push(error),
    });
  });

  const shut = (): void => {
    store.gate = new Promise((resolve) => (open = resolve));
  };
  const offer = async (meta: SnapshotMeta, all?: Uint8Array): Promise<void> =>
    receiver.onOffer('l', { kind: 'snapshotOffer', ...from, meta, bytes: (all ?? (await encoded(meta))).length });
  const send = (meta: SnapshotMeta, data: Uint8Array, offset = 0): void =>
    receiver.onChunk('l', { kind: 'snapshotChunk', ...from, id: meta.id, offset, data });

  it('gives way to the newest that is offered, however slow the disk is, and its file with it', async () => {
    await offer(first);
    await clock.settle();
    shut();
    send(first, (await encoded(first)).subarray(0, 40));
    for (const meta of [second, third, first]) await offer(meta);
    open();
    await clock.settle();
    expect(failures).toEqual([]);
    expect([...store.writing]).toEqual([first.id]);
    expect(told.at(-1)).toEqual([first.id, 0]);
    send(first, await encoded(first));
    await clock.settle();
    expect(received).toEqual([first.id]);
  });

  it('is begun although the one before it is only just becoming whole', async () => {
    await offer(first);
    await clock.settle();
    send(first, await encoded(first));
    shut();
    await offer(second);
    open();
    await clock.settle();
    expect(received).toEqual([first.id]);
    expect(told.at(-1)).toEqual([second.id, 0]);
    expect([...store.writing]).toEqual([second.id]);
  });

  it('is asked for from no byte before it is known where it goes on', async () => {
    const writer = await store.create(first);
    await writer.write((await encoded(first)).subarray(0, 40));
    await store.close();
    await store.open({ cluster: 'test', server: 'c' });
    shut();
    await offer(first);
    await offer(first);
    await clock.settle();
    expect(told).toEqual([]);
    open();
    await clock.settle();
    expect(told).toEqual([[first.id, 40]]);
  });

  it('is finished when all of it was here already, and forgotten when it fails', async () => {
    const writer = await store.create(first);
    await writer.write(await encoded(first));
    await store.close();
    await store.open({ cluster: 'test', server: 'c' });
    store.writing.clear();
    await offer(first);
    await clock.settle();
    expect([received, [...store.writing]]).toEqual([[first.id], []]);
    const sync = store.create.bind(store);
    store.create = async (meta) => {
      const failing = await sync(meta);
      failing.write = () => Promise.reject(new Error('no room'));
      return failing;
    };
    await offer(second);
    await clock.settle();
    send(second, await encoded(second));
    await clock.settle();
    expect([failures, [...store.writing]]).toMatchObject([[{ message: 'no room' }], []]);
  });

  it('is durable but for 8 MiB at the most', async () => {
    let [written, synced] = [0, 0];
    store.create = async () => ({
      offset: 0,
      write: async (data) => void (written += data.length),
      sync: async () => void (synced = written),
      finish: () => expect.unreachable(),
      abort: async () => {},
    });
    receiver.onOffer('l', { kind: 'snapshotOffer', ...from, meta: first, bytes: 1e9 });
    await clock.settle();
    const data = new Uint8Array(256 * 1024);
    for (let at = 0; at < 20 * 1024 * 1024; at += data.length) {
      send(first, data, at);
      await clock.settle();
      expect(written - synced).toBeLessThan(8 * 1024 * 1024);
    }
    expect(written).toBe(20 * 1024 * 1024);
  });

  it('is let go when the log has come as far, and may be offered again', async () => {
    await offer(second);
    await clock.settle();
    receiver.onAppliedTo(19);
    await clock.settle();
    expect([...store.writing]).toEqual([second.id]);
    receiver.onAppliedTo(20);
    await clock.settle();
    expect([...store.writing]).toEqual([]);
    await offer(second);
    send(second, await encoded(second));
    await clock.settle();
    send(second, await encoded(second));
    await clock.settle();
    expect([received, failures]).toEqual([[second.id], []]);
  });

  describe('and is large', () => {
    const MiB = 1024 * 1024;
    let all: Uint8Array;
    const sendUpTo = async (end: number): Promise<void> => {
      for (let at = told.at(-1)?.[1] ?? 0; at < end; at += MiB)
        send(first, all.subarray(at, Math.min(end, at + MiB)), at);
      await clock.settle();
    };
    beforeEach(async () => {
      all = await encoded(first, new Uint8Array(20 * MiB));
      await offer(first, all);
      await clock.settle();
    });

    it('goes on while it is synced, one sync at a time, and is finished behind the last one', async () => {
      const ends: (() => void)[] = [];
      for (let i = 0; i < 2; i += 1) store.syncs.push(new Promise((resolve) => ends.push(resolve)));
      await sendUpTo(15 * MiB);
      expect([store.synced, told.at(-1)]).toEqual([1, [first.id, 15 * MiB]]);
      await sendUpTo(17 * MiB);
      expect([store.synced, told.at(-1)]).toEqual([1, [first.id, 15 * MiB]]);
      ends[0]?.();
      await clock.settle();
      expect([store.synced, told.at(-1)]).toEqual([2, [first.id, 17 * MiB]]);
      await sendUpTo(all.length);
      expect([told.at(-1), received]).toEqual([[first.id, all.length], []]);
      ends[1]?.();
      await clock.settle();
      expect([received, failures]).toEqual([[first.id], []]);
    });

    it('is abandoned when a sync fails that went on beside its writes', async () => {
      store.syncs.push(Promise.reject(new Error('EIO')));
      await sendUpTo(all.length);
      expect([failures.map(({ message }) => message), received, [...store.writing]]).toEqual([['EIO'], [], []]);
    });

    it('is abandoned with the next bytes when a sync fails while none come', async () => {
      let fail = (_error: Error): void => {};
      store.syncs.push(new Promise((_, reject) => (fail = reject)));
      await sendUpTo(9 * MiB);
      fail(new Error('EIO'));
      // Whatever nobody has caught by then ends the process.
      await new Promise(setImmediate);
      await sendUpTo(all.length);
      expect([failures.map(({ message }) => message), received, [...store.writing]]).toEqual([['EIO'], [], []]);
    });
  });
});
