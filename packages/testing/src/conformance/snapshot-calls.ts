import type { SnapshotStore } from '@kontiki/core';
import { plain } from './plain.js';
import { difference, infoOf, joined, sampleAt, same, save, owner } from './snapshot-samples.js';
import type { StoreTests } from './store-context.js';

/** Registers tests for writing, listing, resuming, discarding and removing snapshots. */
export function testCalls({ expect, test }: StoreTests<SnapshotStore>): void {
  test('a new snapshot store is empty and stays empty after a restart', async (medium) => {
    for (let life = 0; life < 2; life += 1) {
      const store = medium.store();
      await store.open(owner);
      expect(await store.list()).toEqual([]);
      await store.close();
    }
  });

  for (const piece of [1, 77, 1_000_000]) {
    test(`a snapshot written ${piece} bytes at a time is listed and complete after finish`, async (medium) => {
      const sample = await sampleAt(12, 900);
      const store = medium.store();
      await store.open(owner);
      const writer = await store.create(sample.meta);
      expect(writer.offset).toEqual(0);
      for (let at = 0; at < sample.bytes.length; at += piece) {
        await writer.write(sample.bytes.slice(at, at + piece));
        expect(await store.list()).toEqual([]);
      }
      expect(writer.offset).toEqual(sample.bytes.length);
      expect(plain(await writer.finish())).toEqual(plain(infoOf(sample)));
      expect(plain(await store.list())).toEqual(plain([infoOf(sample)]));
      expect(same(await joined(store.read(sample.meta.id)), sample.bytes)).toEqual(true);
      await store.close();
      const next = medium.store();
      await next.open(owner);
      expect(plain(await next.list())).toEqual(plain([infoOf(sample)]));
      expect(same(await joined(next.read(sample.meta.id)), sample.bytes)).toEqual(true);
    });
  }

  test('list sorts snapshots by index, newest first (1000 before 999)', async (medium) => {
    const samples = await Promise.all([2 ** 40, 100_000, 1_000, 999, 9].map((index) => sampleAt(index, 10)));
    let store = medium.store();
    await store.open(owner);
    for (const i of [3, 0, 4, 2, 1]) await save(store, samples[i] as (typeof samples)[number]);
    expect(await difference(store, samples)).toEqual(undefined);
    await store.close();
    store = medium.store();
    await store.open(owner);
    expect(await difference(store, samples)).toEqual(undefined);
  });

  test('two snapshots at the same index coexist, and rewriting one replaces it', async (medium) => {
    const [long, short] = await Promise.all([sampleAt(50, 5_000), sampleAt(50, 20, 1)]);
    let store = medium.store();
    await store.open(owner);
    await save(store, long);
    await save(store, short);
    await save(store, long);
    for (let life = 0; life < 2; life += 1) {
      const listed = (await store.list()).map(({ id }) => id);
      expect(listed.sort()).toEqual([long.meta.id, short.meta.id].sort());
      for (const { meta, bytes } of [long, short]) expect(same(await joined(store.read(meta.id)), bytes)).toEqual(true);
      await store.close();
      store = medium.store();
      await store.open(owner);
    }
  });

  test('an unfinished snapshot resumes after its synced bytes and is not listed', async (medium) => {
    const [before, sample] = await Promise.all([sampleAt(20), sampleAt(30, 3_000)]);
    let store = medium.store();
    await store.open(owner);
    await save(store, before);
    // In the four cases, the synced bytes end within the head, after the head, within a chunk, or
    // at the end.
    for (const [synced, written] of [
      [50, 60],
      [200, 900],
      [1_500, 1_500],
      [sample.bytes.length, sample.bytes.length],
    ] as const) {
      const writer = await store.create(sample.meta);
      if (writer.offset < synced) await writer.write(sample.bytes.slice(writer.offset, synced));
      await writer.sync();
      if (writer.offset < written) await writer.write(sample.bytes.slice(writer.offset, written));
      expect(await difference(store, [before])).toEqual(undefined);
      await store.close();
      store = medium.store();
      await store.open(owner);
      expect(await difference(store, [before])).toEqual(undefined);
      const next = await store.create(sample.meta);
      expect(next.offset >= synced && next.offset <= written).toEqual(true);
      await store.close();
      await store.open(owner);
    }
    await save(store, sample);
    expect(await difference(store, [sample, before])).toEqual(undefined);
  });

  test('sync covers all earlier writes while later writes run in parallel', async (medium) => {
    const sample = await sampleAt(12, 700_000);
    let store = medium.store();
    await store.open(owner);
    const writer = await store.create(sample.meta);
    let synced = 0;
    let syncing = Promise.resolve();
    while (writer.offset < 500_000) {
      await writer.write(sample.bytes.slice(writer.offset, writer.offset + 70_000));
      await syncing;
      const { offset } = writer;
      syncing = writer.sync().then(() => void (synced = offset));
    }
    await writer.write(sample.bytes.slice(writer.offset, writer.offset + 70_000));
    await syncing;
    await store.close();
    store = medium.store();
    await store.open(owner);
    const next = await store.create(sample.meta);
    expect(next.offset >= synced && next.offset <= writer.offset).toEqual(true);
    while (next.offset < sample.bytes.length) {
      await next.write(sample.bytes.slice(next.offset, next.offset + 70_000));
      syncing = next.sync();
      await next.write(sample.bytes.slice(next.offset, next.offset + 70_000));
      await syncing;
    }
    await next.finish();
    expect(await difference(store, [sample])).toEqual(undefined);
  });

  test('an aborted snapshot starts again at offset 0', async (medium) => {
    const sample = await sampleAt(30);
    const store = medium.store();
    await store.open(owner);
    const writer = await store.create(sample.meta);
    await writer.write(sample.bytes.slice(0, 1_000));
    await writer.sync();
    await writer.abort();
    await writer.abort();
    const next = await store.create(sample.meta);
    expect(next.offset).toEqual(0);
    await next.write(sample.bytes);
    await next.finish();
    await next.abort();
    expect(await difference(store, [sample])).toEqual(undefined);
  });

  test('abort during finish discards the snapshot, unless finish resolves', async (medium) => {
    const sample = await sampleAt(10);
    const store = medium.store();
    await store.open(owner);
    const writer = await store.create(sample.meta);
    await writer.write(sample.bytes);
    const finished = writer.finish().then(
      () => [sample],
      () => [],
    );
    await writer.abort();
    expect(await difference(store, await finished)).toEqual(undefined);
  });

  test('create discards unfinished snapshots that have no open writer', async (medium) => {
    const [a, b, c] = await Promise.all([sampleAt(10), sampleAt(20), sampleAt(30)]);
    let store = medium.store();
    await store.open(owner);
    const left = await store.create(a.meta);
    await left.write(a.bytes.slice(0, 1_500));
    await left.sync();
    await store.close();
    store = medium.store();
    await store.open(owner);
    const writers = [await store.create(b.meta), await store.create(c.meta)];
    const restarted = await store.create(a.meta);
    expect(restarted.offset).toEqual(0);
    for (const [i, { bytes }] of [b, c].entries()) await writers[i]?.write(bytes.slice(0, 1_000));
    await restarted.write(a.bytes);
    for (const [i, { bytes }] of [b, c].entries()) await writers[i]?.write(bytes.slice(1_000));
    await Promise.all([...writers, restarted].map((writer) => writer.finish()));
    expect(await difference(store, [c, b, a])).toEqual(undefined);
  });

  test('the newest of several unfinished snapshots resumes after a restart', async (medium) => {
    const samples = await Promise.all([sampleAt(999), sampleAt(1_000)]);
    let store = medium.store();
    await store.open(owner);
    for (const { meta, bytes } of samples) {
      const writer = await store.create(meta);
      await writer.write(bytes.slice(0, 1_500));
      await writer.sync();
    }
    await store.close();
    store = medium.store();
    await store.open(owner);
    expect((await store.create((samples[1] as (typeof samples)[number]).meta)).offset).toEqual(1_500);
  });

  test('a removed snapshot stays removed, and removing it again succeeds', async (medium) => {
    const [a, b] = await Promise.all([sampleAt(10), sampleAt(20)]);
    let store = medium.store();
    await store.open(owner);
    await save(store, a);
    await save(store, b);
    await store.remove(b.meta.id);
    await store.remove(b.meta.id);
    await store.remove('../../etc/passwd');
    expect(await difference(store, [a])).toEqual(undefined);
    await store.close();
    store = medium.store();
    await store.open(owner);
    expect(await difference(store, [a])).toEqual(undefined);
  });
}
