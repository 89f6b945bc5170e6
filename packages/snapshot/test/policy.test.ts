import { expect, it } from 'vitest';
import { MemorySnapshots } from '@kontiki/core';
import { encodeSnapshot } from '@kontiki/core/wire';
import { DEFAULT_POLICY, retain, snapshotDue } from '@kontiki/snapshot';
import { metaAt, owner, streamOf } from './samples.js';

it.each([
  [{ entries: 10 }, { entries: 9, logBytes: 1e9, elapsed: 1e9 }, false],
  [{ entries: 10 }, { entries: 10, logBytes: 0, elapsed: 0 }, true],
  [{ logBytes: 10 }, { entries: 1, logBytes: 10, elapsed: 0 }, true],
  [{ ms: 10 }, { entries: 1, logBytes: 0, elapsed: 10 }, true],
  [{ entries: 5, logBytes: 50, ms: 500 }, { entries: 1, logBytes: 1, elapsed: 500 }, true],
  [{ entries: 5, logBytes: 50, ms: 500 }, { entries: 4, logBytes: 49, elapsed: 499 }, false],
  [{ ms: 0 }, { entries: 0, logBytes: 0, elapsed: 1e9 }, false],
  [{}, { entries: 1e9, logBytes: 1e12, elapsed: 1e12 }, false],
  [DEFAULT_POLICY, { entries: 99_999, logBytes: 2 ** 26 - 1, elapsed: 1e12 }, false],
  [DEFAULT_POLICY, { entries: 1, logBytes: 2 ** 26, elapsed: 0 }, true],
])('by the policy %o, after %o, a snapshot is due: %s', (policy, since, due) => {
  expect(snapshotDue(policy, since)).toBe(due);
});

it.each([
  [3, [1000, 999, 20]],
  [2, [1000, 999]],
  [0, [1000]],
  [9, [1000, 999, 20, 3]],
])('of four, %i are to be kept: the newest', async (keep, left) => {
  const store = new MemorySnapshots();
  await store.open(owner);
  for (const index of [20, 1000, 3, 999]) {
    const writer = await store.create(metaAt(index));
    for await (const piece of encodeSnapshot(metaAt(index), streamOf())) await writer.write(piece);
    await writer.finish();
  }
  await retain(store, keep);
  expect((await store.list()).map(({ last }) => last.index)).toEqual(left);
});
