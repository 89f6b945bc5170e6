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

/** A store whose calls wait until a gate opens. Records the ids that are being written. */
class SlowSnapshots extends MemorySnapshots {
  gate: Promise<void> = Promise.resolve();
  readonly writing = new Set<string>();
  /** Results of the next syncs, in order. If the array is empty, a sync succeeds immediately. */
  readonly syncs: Promise<void>[] = [];
  synced = 0;

  override async create(meta: SnapshotMeta): ReturnType<MemorySnapshots['create']> {
    await this.gate;
    const writer = await super.create(meta);
    this.writing.add(meta.id);
    const ended = (): boolean => this.writing.delete(meta.id);
    return {
      get offset() {
        return writer.offset;
      },
      write: (data) => this.gate.then(() => writer.write(data)),
      sync: () => {
        this.synced += 1;
        return this.syncs.shift() ?? writer.sync();
      },
      finish: () => this.gate.then(() => writer.finish()).finally(ended),
      abort: () => writer.abort().finally(ended),
    };
  }
}

describe('SnapshotReceiver', () => {
  let store: SlowSnapshots;
  let receiver: SnapshotReceiver;
  let openGate = (): void => {};
  let acks: [id: string, offset: number][] = [];
  let failures: Error[] = [];
  let received: string[] = [];

  beforeEach(async () => {
    store = new SlowSnapshots();
    await store.open({ cluster: 'test', server: 'c' });
    [acks, failures, received] = [[], [], []];
    receiver = new SnapshotReceiver({
      store,
      clock,
      acknowledge: (_from, _message, id, offset) => acks.push([id, offset]),
      onReceived: ({ id }) => received.push(id),
      onProgress: () => {},
      onTransferFailed: (error) => failures.push(error),
    });
  });

  const closeGate = (): void => {
    store.gate = new Promise((resolve) => (openGate = resolve));
  };
  const offer = async (meta: SnapshotMeta, all?: Uint8Array): Promise<void> =>
    receiver.onOffer('l', { kind: 'snapshotOffer', ...from, meta, bytes: (all ?? (await encoded(meta))).length });
  const send = (meta: SnapshotMeta, data: Uint8Array, offset = 0): void =>
    receiver.onChunk('l', { kind: 'snapshotChunk', ...from, id: meta.id, offset, data });

  it('a new offer replaces and discards the snapshot being received', async () => {
    await offer(first);
    await clock.settle();
    closeGate();
    send(first, (await encoded(first)).subarray(0, 40));
    for (const meta of [second, third, first]) await offer(meta);
    openGate();
    await clock.settle();
    expect(failures).toEqual([]);
    expect([...store.writing]).toEqual([first.id]);
    expect(acks.at(-1)).toEqual([first.id, 0]);
    send(first, await encoded(first));
    await clock.settle();
    expect(received).toEqual([first.id]);
  });

  it('the receiver accepts an offer while it finishes the previous snapshot', async () => {
    await offer(first);
    await clock.settle();
    send(first, await encoded(first));
    closeGate();
    await offer(second);
    openGate();
    await clock.settle();
    expect(received).toEqual([first.id]);
    expect(acks.at(-1)).toEqual([second.id, 0]);
    expect([...store.writing]).toEqual([second.id]);
  });

  it('the receiver acknowledges an offer only once the resume offset is known', async () => {
    const writer = await store.create(first);
    await writer.write((await encoded(first)).subarray(0, 40));
    await store.close();
    await store.open({ cluster: 'test', server: 'c' });
    closeGate();
    await offer(first);
    await offer(first);
    await clock.settle();
    expect(acks).toEqual([]);
    openGate();
    await clock.settle();
    expect(acks).toEqual([[first.id, 40]]);
  });

  it('an unfinished snapshot that has all its bytes is finished without another chunk', async () => {
    const writer = await store.create(first);
    await writer.write(await encoded(first));
    await store.close();
    await store.open({ cluster: 'test', server: 'c' });
    store.writing.clear();
    await offer(first);
    await clock.settle();
    expect([received, [...store.writing]]).toEqual([[first.id], []]);
  });

  it('the receiver discards an incoming snapshot if a write fails', async () => {
    const create = store.create.bind(store);
    store.create = async (meta) => {
      const failing = await create(meta);
      failing.write = () => Promise.reject(new Error('no room'));
      return failing;
    };
    await offer(second);
    await clock.settle();
    send(second, await encoded(second));
    await clock.settle();
    expect([failures, [...store.writing]]).toMatchObject([[{ message: 'no room' }], []]);
  });

  it('the receiver leaves at most 8 MiB of an incoming snapshot unsynced', async () => {
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

  it('the receiver discards an incoming snapshot once the log has caught up with it', async () => {
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

  describe('syncs of a large incoming snapshot', () => {
    const MiB = 1024 * 1024;
    let all: Uint8Array;
    const sendUpTo = async (end: number): Promise<void> => {
      for (let at = acks.at(-1)?.[1] ?? 0; at < end; at += MiB)
        send(first, all.subarray(at, Math.min(end, at + MiB)), at);
      await clock.settle();
    };
    beforeEach(async () => {
      all = await encoded(first, new Uint8Array(20 * MiB));
      await offer(first, all);
      await clock.settle();
    });

    it('chunks are written during a sync, and the receiver finishes after the last sync', async () => {
      const ends: (() => void)[] = [];
      for (let i = 0; i < 2; i += 1) store.syncs.push(new Promise((resolve) => ends.push(resolve)));
      await sendUpTo(15 * MiB);
      expect([store.synced, acks.at(-1)]).toEqual([1, [first.id, 15 * MiB]]);
      await sendUpTo(17 * MiB);
      expect([store.synced, acks.at(-1)]).toEqual([1, [first.id, 15 * MiB]]);
      ends[0]?.();
      await clock.settle();
      expect([store.synced, acks.at(-1)]).toEqual([2, [first.id, 17 * MiB]]);
      await sendUpTo(all.length);
      expect([acks.at(-1), received]).toEqual([[first.id, all.length], []]);
      ends[1]?.();
      await clock.settle();
      expect([received, failures]).toEqual([[first.id], []]);
    });

    it('the receiver discards an incoming snapshot if a sync fails during a write', async () => {
      store.syncs.push(Promise.reject(new Error('EIO')));
      await sendUpTo(all.length);
      expect([failures.map(({ message }) => message), received, [...store.writing]]).toEqual([['EIO'], [], []]);
    });

    it('the receiver discards a snapshot at the next chunk after a failed sync', async () => {
      let fail = (_error: Error): void => {};
      store.syncs.push(new Promise((_, reject) => (fail = reject)));
      await sendUpTo(9 * MiB);
      fail(new Error('EIO'));
      // Wait for one turn, in which an unhandled rejection would end the process.
      await new Promise(setImmediate);
      await sendUpTo(all.length);
      expect([failures.map(({ message }) => message), received, [...store.writing]]).toEqual([['EIO'], [], []]);
    });
  });
});
