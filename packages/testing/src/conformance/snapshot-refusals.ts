import type { SnapshotStore } from '@kontiki/core';
import { difference, joined, owner, sampleAt, save } from './snapshot-samples.js';
import type { StoreTests } from './store-context.js';
import { codeOf } from './waiting.js';

/** Registers tests for calls and bytes that a snapshot store must reject. */
export function testRefusals({ expect, test }: StoreTests<SnapshotStore>): void {
  test('finish rejects damaged, truncated or foreign bytes with KONTIKI_CORRUPT', async (medium) => {
    const [before, sample, other] = await Promise.all([sampleAt(5), sampleAt(6), sampleAt(6, 2_000, 1)]);
    const store = medium.store();
    await store.open(owner);
    await save(store, before);
    const { bytes } = sample;
    const flipped = bytes.map((byte, i) => (i === bytes.length - 40 ? byte ^ 4 : byte));
    const swapped = [...bytes.slice(0, 1_500), ...other.bytes.slice(1_500)];
    const wrong = [
      bytes.slice(0, 0),
      bytes.slice(0, 20),
      bytes.slice(0, -1),
      Uint8Array.of(...bytes, 0),
      flipped,
      other.bytes,
      Uint8Array.from(swapped),
    ];
    for (const given of wrong) {
      const writer = await store.create(sample.meta);
      expect(writer.offset).toEqual(0);
      const written = await codeOf(writer.write(given));
      expect(['none', 'KONTIKI_CORRUPT'].includes(written)).toEqual(true);
      expect(await codeOf(writer.finish())).toEqual('KONTIKI_CORRUPT');
      expect(await codeOf(writer.write(bytes))).toEqual('KONTIKI_CORRUPT');
      expect(await difference(store, [before])).toEqual(undefined);
    }
    await save(store, sample);
    expect(await difference(store, [sample, before])).toEqual(undefined);
  });

  test('create rejects a snapshot already being written with KONTIKI_LOCKED', async (medium) => {
    const sample = await sampleAt(6);
    const store = medium.store();
    await store.open(owner);
    const first = store.create(sample.meta);
    expect(await codeOf(store.create(sample.meta))).toEqual('KONTIKI_LOCKED');
    const writer = await first;
    await writer.write(sample.bytes.slice(0, 900));
    expect(await codeOf(store.create(sample.meta))).toEqual('KONTIKI_LOCKED');
    await writer.write(sample.bytes.slice(900));
    await writer.finish();
    expect(await codeOf(writer.write(sample.bytes))).toEqual('KONTIKI_CLOSED');
    expect(await difference(store, [sample])).toEqual(undefined);
  });

  test('create and read reject invalid ids, positions and clusters', async (medium) => {
    const { meta } = await sampleAt(6);
    const store = medium.store();
    await store.open(owner);
    for (const wrong of [
      { ...meta, id: '../../../../etc/passwd' },
      { ...meta, id: meta.id.toUpperCase() + 'A' },
      { ...meta, last: { index: 0, term: 0 } },
    ]) {
      expect(await codeOf(store.create(wrong))).toEqual('KONTIKI_PROTOCOL');
    }
    expect(await codeOf(store.create({ ...meta, cluster: 'other' }))).toEqual('KONTIKI_FOREIGN_DATA');
    expect(await codeOf(joined(store.read('../../../../etc/passwd')))).toEqual('KONTIKI_NO_SNAPSHOT');
    expect(await store.list()).toEqual([]);
  });

  test('open rejects snapshots of another cluster or server and leaves them unchanged', async (medium) => {
    const sample = await sampleAt(6);
    const store = medium.store();
    await store.open(owner);
    for (const steps of [[], [sample]]) {
      for (const step of steps) await save(store, step);
      await store.close();
      for (const other of [
        { ...owner, cluster: 'other' },
        { ...owner, server: 'b' },
      ]) {
        expect(await codeOf(medium.store().open(other))).toEqual('KONTIKI_FOREIGN_DATA');
      }
      await store.open(owner);
      expect(await difference(store, steps)).toEqual(undefined);
    }
  });

  test('opening an open snapshot store rejects with KONTIKI_LOCKED', async (medium) => {
    const sample = await sampleAt(6);
    const store = medium.store();
    await store.open(owner);
    expect(await codeOf(medium.store().open(owner))).toEqual('KONTIKI_LOCKED');
    expect(await codeOf(store.open(owner))).toEqual('KONTIKI_LOCKED');
    await save(store, sample);
    expect(await difference(store, [sample])).toEqual(undefined);
  });

  test('a snapshot store rejects calls before open and after close', async (medium) => {
    const { meta } = await sampleAt(6);
    const store = medium.store();
    const refused = async (): Promise<void> => {
      const calls = [store.list(), store.create(meta), store.remove(meta.id), joined(store.read(meta.id))];
      expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => 'KONTIKI_CLOSED'));
    };
    await refused();
    await store.close();
    await store.open(owner);
    await store.close();
    await refused();
  });
}
