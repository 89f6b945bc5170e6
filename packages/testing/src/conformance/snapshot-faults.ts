import type { SnapshotStore } from '@kontiki/core';
import { decodeSnapshot } from '@kontiki/core/wire';
import { Random } from '../random.js';
import { withAbility } from './medium.js';
import { difference, joined, owner, sampleAt, same, save } from './snapshot-samples.js';
import type { StoreSuite, StoreTests } from './store-context.js';
import { codeOf } from './waiting.js';

/** Number of bits to flip, each in a fresh store. */
const FLIPS = 200;

/** Registers tests on full, failing and damaged media. */
export function testFaults(
  { expect, testAbility, testMedia }: StoreTests<SnapshotStore>,
  suite: StoreSuite<SnapshotStore>,
): void {
  testAbility('fill', 'a full medium fails the snapshot being written, but the store keeps working', async (medium) => {
    const [before, sample] = await Promise.all([sampleAt(5), sampleAt(6)]);
    const store = medium.store();
    await store.open(owner);
    await save(store, before);
    const writer = await store.create(sample.meta);
    await writer.write(sample.bytes.slice(0, 500));
    await writer.sync();
    medium.fill(true);
    const code = await codeOf(
      (async () => {
        await writer.write(sample.bytes.slice(500));
        await writer.finish();
      })(),
    );
    expect(code).toEqual('KONTIKI_DISK_FULL');
    expect(await codeOf(writer.finish())).toEqual('KONTIKI_DISK_FULL');
    expect(await difference(store, [before])).toEqual(undefined);
    medium.fill(false);
    expect((await store.create(sample.meta)).offset).toEqual(0);
    await store.close();
    const next = medium.store();
    await next.open(owner);
    await save(next, sample);
    expect(await difference(next, [sample, before])).toEqual(undefined);
  });

  for (const operation of ['write', 'sync'] as const) {
    testAbility('fail', `a failed ${operation} fails the snapshot being written, but not the store`, async (medium) => {
      const [before, sample] = await Promise.all([sampleAt(5), sampleAt(6)]);
      const store = medium.store();
      await store.open(owner);
      await save(store, before);
      medium.fail(operation);
      const failure: unknown = await save(store, sample).catch((error: unknown) => error);
      expect((failure as { code: unknown }).code).toEqual('KONTIKI_STORE_FAILED');
      expect((failure as Error).cause instanceof Error).toEqual(true);
      expect(await difference(store, [before])).toEqual(undefined);
      await save(store, sample);
      await store.close();
      const next = medium.store();
      await next.open(owner);
      expect(await difference(next, [sample, before])).toEqual(undefined);
    });
  }

  testAbility('fail', 'a failed removal of a snapshot can be retried', async (medium) => {
    const [sample, other] = await Promise.all([sampleAt(5), sampleAt(6)]);
    const store = medium.store();
    await store.open(owner);
    await save(store, sample);
    await save(store, other);
    medium.fail('sync');
    expect(await codeOf(store.remove(sample.meta.id))).toEqual('KONTIKI_STORE_FAILED');
    expect((await store.list()).map(({ id }) => id)).toEqual([other.meta.id, sample.meta.id]);
    await store.remove(sample.meta.id);
    medium.crash?.('power');
    if (medium.crash === undefined) await store.close();
    const next = medium.store();
    await next.open(owner);
    expect(await difference(next, [other])).toEqual(undefined);
  });

  testMedia('damage', `a damaged snapshot is not listed, or reading it rejects (${FLIPS} bits)`, async () => {
    const [old, sample, unfinished] = await Promise.all([sampleAt(5, 900), sampleAt(6, 1_500), sampleAt(7, 3_000)]);
    let detected = 0;
    for (let flip = 0; flip < FLIPS; flip += 1) {
      const medium = withAbility(await suite.medium(new Random(flip, 'damage').next), 'damage');
      try {
        const store = medium.store();
        await store.open(owner);
        await save(store, old, 100, true);
        await save(store, sample, 100, true);
        const writer = await store.create(unfinished.meta);
        for (const to of [1_000, 2_000]) {
          await writer.write(unfinished.bytes.slice(writer.offset, to));
          await writer.sync();
        }
        await store.close();
        medium.damage();
        const next = medium.store();
        if ((await codeOf(next.open(owner))) !== 'none') {
          detected += 1;
          continue;
        }
        const listed = new Set((await next.list()).map(({ id }) => id));
        for (const { meta, state } of [old, sample]) {
          if (!listed.has(meta.id)) detected += 1;
          else {
            const read = await joined(decodeSnapshot(next.read(meta.id))).catch((error: unknown) => error);
            if (read instanceof Uint8Array) expect(same(read, state)).toEqual(true);
            else {
              expect((read as { code: unknown }).code).toEqual('KONTIKI_CORRUPT');
              detected += 1;
            }
          }
        }
        const resumed = await next.create(unfinished.meta);
        const code = await codeOf(
          (async () => {
            await resumed.write(unfinished.bytes.slice(resumed.offset));
            await resumed.finish();
          })(),
        );
        if (code === 'none')
          expect(same(await joined(decodeSnapshot(next.read(unfinished.meta.id))), unfinished.state)).toEqual(true);
        else expect(code).toEqual('KONTIKI_CORRUPT');
      } finally {
        await medium.remove?.();
      }
    }
    expect(detected > FLIPS / 4).toEqual(true);
  });
}
