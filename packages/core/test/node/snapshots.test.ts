import { KontikiError, MemorySnapshots, type SnapshotMeta } from '@kontiki/core';
import { describe, expect, it } from 'vitest';
import { bytes } from './harness.js';
import {
  KeptJournal,
  cluster,
  machines,
  never,
  nodes,
  open,
  settled,
  stateOf,
  stores,
  write,
} from './snapshot-harness.js';

describe('taking a snapshot', () => {
  it('on demand: durable first, then the log is compacted, and a start goes on from it', async () => {
    const node = await cluster(['a']);
    await write(10);
    const { index } = (await settled(node.propose(bytes('last')))) as { index: number };
    const info = await settled(node.snapshot());
    expect(info.last.index).toBe(index);
    expect(node.status()).toMatchObject({ base: index, last: index });
    await write(3, 'y');
    await node.close();
    const again = await open('a');
    expect(machines.get('a')?.commands).toHaveLength(11);
    await nodes.clock.until(() => again.isLeader && again.status().applied === again.status().last);
    expect(machines.get('a')?.commands).toEqual(
      [...Array(10).keys()].map((i) => `x${i}`).concat('last', 'y0', 'y1', 'y2'),
    );
  });

  it('of the state between two applies, whatever is applied while it is read', async () => {
    const node = await cluster(['a']);
    await write(3);
    let go = (): void => {};
    (machines.get('a') as KeptJournal).gate = () => new Promise((resolve) => (go = resolve));
    const taking = node.snapshot();
    await write(2, 'later');
    expect(machines.get('a')?.commands).toHaveLength(5);
    (machines.get('a') as KeptJournal).gate = () => Promise.resolve();
    go();
    await settled(taking);
    expect(await stateOf('a')).toBe('3\nx0\nx1\nx2\n');
  });

  it('of everything that was applied when it was asked for, though an earlier one is being written', async () => {
    const node = await cluster(['a']);
    await write(3);
    let go = (): void => {};
    const journal = machines.get('a') as KeptJournal;
    journal.gate = () => new Promise((resolve) => (go = resolve));
    const earlier = node.snapshot();
    await write(2, 'later');
    const { applied } = node.status();
    const later = node.snapshot();
    journal.gate = () => Promise.resolve();
    go();
    expect((await settled(earlier)).last.index).toBeLessThan(applied);
    expect((await settled(later)).last.index).toBe(applied);
  });

  it('of that state even when the store is slow to begin', async () => {
    let go = (): void => {};
    class SlowSnapshots extends MemorySnapshots {
      override async create(meta: SnapshotMeta): ReturnType<MemorySnapshots['create']> {
        await new Promise<void>((resolve) => (go = resolve));
        return super.create(meta);
      }
    }
    stores.set('a', new SlowSnapshots());
    const node = await cluster(['a']);
    await write(3);
    const taking = node.snapshot();
    await nodes.clock.settle();
    await write(2, 'later');
    go();
    await settled(taking);
    expect(await stateOf('a')).toBe('3\nx0\nx1\nx2\n');
  });

  it('of a pausing machine: applying waits, the protocol does not', async () => {
    const node = await cluster(['a', 'b', 'c']);
    const journal = machines.get(node.id) as KeptJournal;
    journal.blocksApply = true;
    await write(3);
    let go = (): void => {};
    journal.gate = () => new Promise((resolve) => (go = resolve));
    const taking = node.snapshot();
    await nodes.clock.elapse(20);
    const proposed = node.propose(bytes('waits'));
    await nodes.clock.elapse(1_000);
    expect(node.status()).toMatchObject({ role: 'leader', committed: 6, applied: 5 });
    journal.gate = () => Promise.resolve();
    go();
    await settled(taking);
    expect((await settled(proposed)).result).toBe(4);
    expect(await stateOf(node.id)).toBe('3\nx0\nx1\nx2\n');
  });

  it('by policy: after so many entries, so many bytes, so much time; the newest are kept, and entries behind them', async () => {
    const node = await cluster(['a'], { snapshotPolicy: { maxEntries: 10, trailingEntries: 4, keep: 2 } });
    await write(35);
    const held = (await (stores.get('a') as MemorySnapshots).list()).map(({ last }) => last.index);
    expect(held).toHaveLength(2);
    const [newest = 0, older = 0] = held;
    expect(newest - older).toBe(10);
    expect(node.status().base).toBe(newest - 4);
    await node.close();

    const bytewise = await open('a', { snapshotPolicy: { maxEntries: Infinity, maxBytes: 1_000, trailingEntries: 0 } });
    await nodes.clock.until(() => bytewise.isLeader);
    await write(20);
    expect(bytewise.status().base).toBeGreaterThan(newest);
    await bytewise.close();

    const timely = await open('a', { snapshotPolicy: { ...never, maxAgeMs: 5_000 } });
    await nodes.clock.until(() => timely.isLeader);
    await write(1);
    const before = timely.status().base;
    await nodes.clock.elapse(4_000);
    expect(timely.status().base).toBe(before);
    await nodes.clock.elapse(2_000);
    expect(timely.status().base).toBe(timely.status().applied);
  });

  it('is taken by no node that could not be opened', async () => {
    const node = await cluster(['a']);
    await write(3);
    await node.close();
    let snapshots = 0;
    class Kept extends KeptJournal {
      open = () => Promise.resolve(3);
      override async *snapshot(): AsyncIterable<Uint8Array> {
        snapshots += 1;
        yield* super.snapshot();
      }
    }
    const transport = nodes.network.transport();
    transport.start = () => Promise.reject(new Error('the port is taken'));
    const options = { machine: new Kept(), transport, snapshotPolicy: { ...never, maxAgeMs: 1_000 } };
    await expect(open('a', options)).rejects.toThrow('the port is taken');
    await nodes.clock.elapse(30_000);
    expect(snapshots).toBe(0);
  });

  it('fails and loses nothing when the disk is full; it is told, and tried again', async () => {
    const full = new KontikiError('KONTIKI_DISK_FULL', 'no room');
    class FullSnapshots extends MemorySnapshots {
      full = true;
      override async create(meta: SnapshotMeta): ReturnType<MemorySnapshots['create']> {
        if (this.full) throw full;
        return super.create(meta);
      }
    }
    const store = new FullSnapshots();
    stores.set('a', store);
    const node = await cluster(['a'], { snapshotPolicy: { maxEntries: 5, trailingEntries: 0 } });
    const failures: Error[] = [];
    node.on('snapshotFailed', ({ error }) => failures.push(error));
    let read = 0;
    let ended = 0;
    const journal = machines.get('a') as KeptJournal;
    const snapshot = journal.snapshot.bind(journal);
    journal.snapshot = async function* () {
      read += 1;
      try {
        yield* snapshot();
      } finally {
        ended += 1;
      }
    };
    await write(8);
    expect(failures).toEqual([full]);
    expect([read, ended]).toEqual([1, 1]);
    expect(node.status()).toMatchObject({ role: 'leader', base: 0 });
    await expect(settled(node.snapshot())).rejects.toBe(full);
    store.full = false;
    await nodes.clock.elapse(11_000);
    await write(1);
    expect(node.status().base).toBeGreaterThan(0);
  });

  it('is taken, and the node goes on, when an older one cannot be removed; the next one tries again', async () => {
    class Sticky extends MemorySnapshots {
      sticky = true;
      override async remove(id: string): Promise<void> {
        if (this.sticky) throw new KontikiError('KONTIKI_STORE_FAILED', 'it stays');
        return super.remove(id);
      }
    }
    const store = new Sticky();
    stores.set('a', store);
    const node = await cluster(['a'], { snapshotPolicy: { ...never, keep: 1 } });
    const failures: Error[] = [];
    node.on('snapshotFailed', ({ error }) => failures.push(error));
    for (const round of [1, 2]) {
      await write(1, `${round}`);
      expect((await settled(node.snapshot())).last.index).toBe(node.status().applied);
    }
    expect([failures, await store.list()]).toMatchObject([[], [{}, {}]]);
    store.sticky = false;
    await write(1);
    await settled(node.snapshot());
    expect(await store.list()).toHaveLength(1);
  });

  it('stops the node for an invariant that breaks while it is kept', async () => {
    const broken = new KontikiError('KONTIKI_INVARIANT', 'cannot be');
    class BrokenSnapshots extends MemorySnapshots {
      broken = false;
      override async list(): ReturnType<MemorySnapshots['list']> {
        if (this.broken) throw broken;
        return super.list();
      }
    }
    const store = new BrokenSnapshots();
    stores.set('a', store);
    const node = await cluster(['a']);
    await write(1);
    const stopped: Error[] = [];
    node.on('fatal', ({ error }) => stopped.push(error));
    store.broken = true;
    await expect(settled(node.snapshot())).rejects.toBe(broken);
    expect(stopped).toEqual([broken]);
  });

  it('is refused before anything is applied, and the node goes on', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const node = await open('a');
    await expect(node.snapshot()).rejects.toMatchObject({ code: 'KONTIKI_NO_SNAPSHOT' });
    expect(node.status()).toMatchObject({ role: 'follower', applied: 0 });
  });

  it('stops the node when the machine throws', async () => {
    const node = await cluster(['a']);
    await write(1);
    const stopped: Error[] = [];
    node.on('fatal', ({ error }) => stopped.push(error));
    (machines.get('a') as KeptJournal).gate = () => Promise.reject(new Error('no state'));
    await expect(settled(node.snapshot())).rejects.toMatchObject({ code: 'KONTIKI_MACHINE_FAILED' });
    expect(stopped).toMatchObject([{ code: 'KONTIKI_MACHINE_FAILED' }]);
  });

  it('is given up when the node is closed, and leaves nothing behind', async () => {
    const node = await cluster(['a']);
    await write(3);
    const journal = machines.get('a') as KeptJournal;
    journal.blocksApply = true;
    let go = (): void => {};
    journal.gate = () => new Promise((resolve) => (go = resolve));
    const taking = node.snapshot();
    await nodes.clock.elapse(20);
    const waiting = node.snapshot();
    waiting.catch(() => {});
    const closed = node.close();
    journal.gate = () => Promise.resolve();
    const failures: Error[] = [];
    node.on('snapshotFailed', ({ error }) => failures.push(error));
    go();
    await expect(settled(taking)).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
    await expect(settled(waiting)).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
    expect(failures).toEqual([]);
    await settled(closed);
    await open('a');
    expect(await (stores.get('a') as MemorySnapshots).list()).toEqual([]);
  });

  it('in a store that cannot be closed keeps no log from being opened again', async () => {
    class Stuck extends MemorySnapshots {
      stuck = true;
      override async close(): Promise<void> {
        await super.close();
        if (this.stuck) throw new Error('the disk is gone');
      }
    }
    const store = new Stuck();
    stores.set('a', store);
    const node = await cluster(['a']);
    await expect(settled(node.close())).rejects.toThrow('the disk is gone');
    const transport = nodes.network.transport();
    transport.start = () => Promise.reject(new Error('the port is taken'));
    await expect(open('a', { transport })).rejects.toThrow('the port is taken');
    store.stuck = false;
    await open('a');
  });

  it('needs a store, a machine that can, and a policy that makes sense', async () => {
    await nodes.bootstrap('a');
    const node = await nodes.open('a');
    await expect(node.snapshot()).rejects.toMatchObject({ code: 'KONTIKI_UNSUPPORTED' });
    await node.close();
    await expect(nodes.open('a', { snapshots: new MemorySnapshots() })).rejects.toMatchObject({
      code: 'KONTIKI_BAD_OPTION',
    });
    await expect(open('a', { snapshotPolicy: { keep: 0 } })).rejects.toThrow('snapshotPolicy.keep');
    const misspelled = { entries: 10 } as object;
    await expect(open('a', { snapshotPolicy: misspelled })).rejects.toThrow('There is no snapshotPolicy.entries');
    await expect(open('a', { limits: misspelled })).rejects.toThrow('There is no limits.entries');
    await expect(open('a', { timings: misspelled })).rejects.toThrow('There is no timings.entries');
  });
});
