// Shows that an unusable snapshot causes neither data loss nor a failure. A snapshot is unusable if
// its machine version or compression is not supported, if it is damaged, or if another snapshot
// replaces it while it is being restored.
import { describe, expect, it } from 'vitest';
import { KontikiError, MemorySnapshots, type SnapshotInfo } from '@kontiki/core';
import { cluster, machines, nodes, open, runToEnd, SnapshotJournal, stores, write } from './snapshot-harness.js';
import { atOnce } from './harness.js';

const policy = { snapshotPolicy: { maxEntries: 10, trailingEntries: 0, keep: 1 } };

/** A store whose second call to `list` after `hold` waits until `release` is called. */
class SlowList extends MemorySnapshots {
  #calls = Infinity;
  release: () => void = () => {};

  hold(): void {
    this.#calls = 0;
  }

  override async list(): Promise<readonly SnapshotInfo[]> {
    this.#calls += 1;
    if (this.#calls === 2) await new Promise<void>((resolve) => (this.release = resolve));
    return super.list();
  }
}

/** A store in which one snapshot is damaged. */
class Damaging extends MemorySnapshots {
  damaged = '';

  override async *read(id: string, offset = 0): AsyncGenerator<Uint8Array, void> {
    if (id === this.damaged) throw new KontikiError('KONTIKI_CORRUPT', 'damaged');
    yield* super.read(id, offset);
  }
}

describe('a snapshot of a newer machine version', () => {
  it('a follower whose machine is too old refuses a snapshot, reports it and keeps voting', async () => {
    class Newer extends SnapshotJournal {
      version = 1;
    }
    await nodes.bootstrap('a', 'b', 'c');
    for (const id of ['a', 'b']) {
      const machine = new Newer();
      await open(id, { ...policy, machine });
      machines.set(id, machine);
    }
    await nodes.clock.until(() => nodes.leader !== undefined);
    await write(40);
    const c = await open('c', policy);
    const failures: unknown[] = [];
    c.on('snapshotFailed', ({ error }) => failures.push(error));
    await nodes.clock.elapse(3_000);
    expect(c.status().role).toBe('follower');
    expect(failures).toEqual([expect.objectContaining({ code: 'KONTIKI_FORMAT' })]);
    expect(await stores.get('c')?.list()).toEqual([]);
    // The vote of this follower still counts.
    await nodes.leader?.close(atOnce);
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.leader.status().role === 'leader');
    await c.close(atOnce);
    nodes.nodes.delete('c');
    const updated = new Newer();
    await open('c', { ...policy, machine: updated });
    await nodes.clock.until(() => updated.commands.length === 40);
  });
});

describe('a snapshot with an unknown compression', () => {
  it('a follower that cannot decompress a snapshot refuses it once and stores nothing', async () => {
    const same = (bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> => bytes;
    const snapshotCompression = { kind: 200, compress: same, decompress: same };
    await nodes.bootstrap('a', 'b', 'c');
    for (const id of ['a', 'b']) await open(id, { ...policy, snapshotCompression });
    await nodes.clock.until(() => nodes.leader !== undefined);
    await write(40);
    const c = await open('c', policy);
    const failures: unknown[] = [];
    let received = 0;
    c.on('snapshotFailed', ({ error }) => failures.push(error));
    c.on('snapshotReceiving', () => (received += 1));
    await nodes.clock.elapse(30_000);
    expect(failures).toEqual([expect.objectContaining({ code: 'KONTIKI_FORMAT' })]);
    expect([received, c.status().role, await stores.get('c')?.list()]).toEqual([0, 'follower', []]);
  });
});

describe('a snapshot that is replaced during its restore', () => {
  it('a follower restores a newer snapshot that replaces the one being restored', async () => {
    await cluster(['a', 'b', 'c'], policy);
    const behind = nodes.followers[0]?.id as string;
    await nodes.get(behind).close(atOnce);
    nodes.nodes.delete(behind);
    await write(40);
    const store = new SlowList();
    stores.set(behind, store);
    const node = await open(behind, policy);
    const installed: number[] = [];
    node.on('snapshotInstalled', ({ index }) => installed.push(index));
    node.on('snapshotReceiving', () => installed.length === 0 && store.hold());
    await nodes.clock.until(() => installed.length === 1);
    nodes.network.isolate(behind);
    await write(60);
    nodes.network.heal();
    await nodes.clock.until(() => installed.length > 1);
    store.release();
    await nodes.clock.until(() => machines.get(behind)?.commands.length === 100);
    expect(node.status().role).toBe('follower');
  });

  it('snapshotInstalled is emitted only when the installed snapshot survives a crash', async () => {
    await cluster(['a', 'b', 'c'], policy);
    const behind = nodes.followers[0]?.id as string;
    await nodes.get(behind).close(atOnce);
    nodes.nodes.delete(behind);
    await write(40);
    const node = await open(behind, policy);
    const log = nodes.logs.get(behind);
    const resets: string[] = [];
    if (log !== undefined) {
      const reset = log.reset.bind(log);
      log.reset = async (base) => {
        await reset(base);
        resets.push('durable');
      };
    }
    node.on('snapshotInstalled', () => resets.push('event'));
    await nodes.clock.until(() => resets.includes('event'));
    expect(resets).toEqual(['durable', 'event']);
  });
});

describe('a damaged snapshot', () => {
  it('a new snapshot replaces a damaged snapshot and keeps the intact one', async () => {
    const keepTwo = { snapshotPolicy: { maxEntries: Infinity, maxBytes: Infinity, trailingEntries: 1_000, keep: 2 } };
    const store = new Damaging();
    stores.set('a', store);
    const a = await cluster(['a'], keepTwo);
    await write(5);
    const good = await runToEnd(a.snapshot());
    await write(5);
    store.damaged = (await runToEnd(a.snapshot())).id;
    await a.close(atOnce);
    nodes.nodes.delete('a');
    const again = await open('a', keepTwo);
    await nodes.clock.until(() => nodes.leader !== undefined);
    await write(5);
    const newest = await runToEnd(again.snapshot());
    await nodes.clock.elapse(50);
    expect((await store.list()).map(({ id }) => id)).toEqual([newest.id, good.id]);
  });
});
