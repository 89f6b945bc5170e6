import type { SnapshotStore } from '@kontiki/core';
import { joined, owner, same, sampleAt, save } from './snapshot-samples.js';
import type { StoreTests } from './store-context.js';
import { codeOf } from './waiting.js';

/** Registers tests for concurrent readers while snapshots are being written and removed. */
export function testReading({ expect, test }: StoreTests<SnapshotStore>): void {
  test('read starts at any offset and yields chunks of at most 256 KiB', async (medium) => {
    const sample = await sampleAt(7, 700_000);
    const store = medium.store();
    await store.open(owner);
    await save(store, sample, 300_000);
    const { length } = sample.bytes;
    for (const offset of [0, 1, 255_000, 262_144, length - 1, length]) {
      const sizes: number[] = [];
      const pieces: Uint8Array[] = [];
      for await (const piece of store.read(sample.meta.id, offset)) {
        sizes.push(piece.length);
        pieces.push(piece);
      }
      expect(sizes.every((size) => size > 0 && size <= 256 * 1024)).toEqual(true);
      const read = await joined(
        (async function* () {
          yield* pieces;
        })(),
      );
      expect(same(read, sample.bytes.subarray(offset))).toEqual(true);
    }
  });

  test('a reader continues while its snapshot is removed or rewritten', async (medium) => {
    const [sample, other] = await Promise.all([sampleAt(7, 700_000), sampleAt(8, 10)]);
    const store = medium.store();
    await store.open(owner);
    await save(store, sample, 300_000);
    const readers = [0, 1, 2].map((i) => store.read(sample.meta.id, i)[Symbol.asyncIterator]());
    const read: Uint8Array[][] = [[], [], []];
    const pull = async (i: number): Promise<boolean> => {
      const next = await readers[i]?.next();
      if (next === undefined || next.done === true) return false;
      read[i]?.push(next.value.slice());
      return true;
    };
    await Promise.all([0, 1, 2].map(pull));
    await readers[2]?.return?.();
    await store.remove(sample.meta.id);
    expect(await codeOf(joined(store.read(sample.meta.id)))).toEqual('KONTIKI_NO_SNAPSHOT');
    await pull(0);
    await save(store, other);
    await save(store, sample, 300_000);
    for (const i of [0, 1]) {
      while (await pull(i));
      const pieces = read[i] as Uint8Array[];
      const all = await joined(
        (async function* () {
          yield* pieces;
        })(),
      );
      expect(same(all, sample.bytes.subarray(i))).toEqual(true);
    }
  });

  test('close ends readers and writers and keeps synced bytes of unfinished snapshots', async (medium) => {
    const [sample, unfinished] = await Promise.all([sampleAt(7, 700_000), sampleAt(8)]);
    const store = medium.store();
    await store.open(owner);
    await save(store, sample, 300_000);
    const writer = await store.create(unfinished.meta);
    await writer.write(unfinished.bytes.slice(0, 1_200));
    const reader = store.read(sample.meta.id)[Symbol.asyncIterator]();
    await reader.next();
    const inProgress = [writer.sync(), reader.next()];
    await store.close();
    await Promise.all(inProgress);
    expect(await codeOf(reader.next())).toEqual('KONTIKI_CLOSED');
    const calls = [writer.write(unfinished.bytes), writer.sync(), writer.finish()];
    expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => 'KONTIKI_CLOSED'));
    await writer.abort();
    await store.close();
    await store.open(owner);
    expect((await store.create(unfinished.meta)).offset).toEqual(1_200);
  });
}
