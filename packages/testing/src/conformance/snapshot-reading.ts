import type { SnapshotStore } from '@kontiki/core';
import { joined, owner, same, sampleAt, save } from './snapshot-samples.js';
import type { StoreTests } from './store-context.js';
import { codeOf } from './waiting.js';

/** Readers, several at once, while snapshots come and go. */
export function testReading({ expect, test }: StoreTests<SnapshotStore>): void {
  test('reads from any offset on, in chunks of at most 256 KiB', async (place) => {
    const sample = await sampleAt(7, 700_000);
    const store = place.store();
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

  test('a reader goes on when its snapshot is removed, or written anew', async (place) => {
    const [sample, other] = await Promise.all([sampleAt(7, 700_000), sampleAt(8, 10)]);
    const store = place.store();
    await store.open(owner);
    await save(store, sample, 300_000);
    const readers = [0, 1, 2].map((i) => store.read(sample.meta.id, i)[Symbol.asyncIterator]());
    const read = await Promise.all(
      readers.map(async (reader) => [((await reader.next()).value as Uint8Array).slice()]),
    );
    await readers[2]?.return?.();
    await store.remove(sample.meta.id);
    expect(await codeOf(joined(store.read(sample.meta.id)))).toEqual('KONTIKI_NO_SNAPSHOT');
    await save(store, other);
    await save(store, sample, 300_000);
    for (const [i, reader] of readers.slice(0, 2).entries()) {
      for (let next = await reader.next(); next.done !== true; next = await reader.next()) {
        read[i]?.push(next.value.slice());
      }
      const pieces = read[i] as Uint8Array[];
      const all = await joined(
        (async function* () {
          yield* pieces;
        })(),
      );
      expect(same(all, sample.bytes.subarray(i))).toEqual(true);
    }
  });

  test('closes while there are readers and writers: what was synced goes on in another life', async (place) => {
    const [sample, begun] = await Promise.all([sampleAt(7, 700_000), sampleAt(8)]);
    const store = place.store();
    await store.open(owner);
    await save(store, sample, 300_000);
    const writer = await store.create(begun.meta);
    await writer.write(begun.bytes.slice(0, 1_200));
    const reader = store.read(sample.meta.id)[Symbol.asyncIterator]();
    await reader.next();
    const under = [writer.sync(), reader.next()];
    await store.close();
    await Promise.all(under);
    expect(await codeOf(reader.next())).toEqual('KONTIKI_CLOSED');
    const calls = [writer.write(begun.bytes), writer.sync(), writer.finish()];
    expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => 'KONTIKI_CLOSED'));
    await writer.abort();
    await store.close();
    await store.open(owner);
    expect((await store.create(begun.meta)).offset).toEqual(1_200);
  });
}
