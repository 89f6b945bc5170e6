// Shows when a node takes snapshots, what they contain, and which failures stop the node. Runs
// whole nodes on virtual time.
import { KontikiError, MemorySnapshots, type SnapshotMeta } from '@kontiki/core';
import { describe, expect, it } from 'vitest';
import { atOnce, bytes } from './harness.js';
import {
  SnapshotJournal,
  cluster,
  machines,
  onDemand,
  nodes,
  open,
  runToEnd,
  stateOf,
  stores,
  write,
} from './snapshot-harness.js';

describe('taking snapshots', () => {
  it('snapshot() compacts the log, and a restart continues from the snapshot', async () => {
    const node = await cluster(['a']);
    await write(10);
    const { index } = (await runToEnd(node.propose(bytes('last')))) as { index: number };
    const info = await runToEnd(node.snapshot());
    expect(info.last.index).toBe(index);
    expect(node.status()).toMatchObject({ base: index, last: index });
    await write(3, 'y');
    await node.close(atOnce);
    const again = await open('a');
    expect(machines.get('a')?.commands).toHaveLength(11);
    await nodes.clock.until(() => again.isLeader && again.status().applied === again.status().last);
    expect(machines.get('a')?.commands).toEqual(
      [...Array(10).keys()].map((i) => `x${i}`).concat('last', 'y0', 'y1', 'y2'),
    );
  });

  it('a snapshot excludes commands applied while it is being read (bugs.md#s9)', async () => {
    const node = await cluster(['a']);
    await write(3);
    let proceed = (): void => {};
    (machines.get('a') as SnapshotJournal).gate = () => new Promise((resolve) => (proceed = resolve));
    const taking = node.snapshot();
    await write(2, 'later');
    expect(machines.get('a')?.commands).toHaveLength(5);
    (machines.get('a') as SnapshotJournal).gate = () => Promise.resolve();
    proceed();
    await runToEnd(taking);
    expect(await stateOf('a')).toBe('3\nx0\nx1\nx2\n');
  });

  it('snapshot() covers all applied entries, even during another snapshot', async () => {
    const node = await cluster(['a']);
    await write(3);
    let proceed = (): void => {};
    const journal = machines.get('a') as SnapshotJournal;
    journal.gate = () => new Promise((resolve) => (proceed = resolve));
    const earlier = node.snapshot();
    await write(2, 'later');
    const { applied } = node.status();
    const later = node.snapshot();
    journal.gate = () => Promise.resolve();
    proceed();
    expect((await runToEnd(earlier)).last.index).toBeLessThan(applied);
    expect((await runToEnd(later)).last.index).toBe(applied);
  });

  it('a snapshot contains the state as of its start, even if the store is slow', async () => {
    let proceed = (): void => {};
    class SlowSnapshots extends MemorySnapshots {
      override async create(meta: SnapshotMeta): ReturnType<MemorySnapshots['create']> {
        await new Promise<void>((resolve) => (proceed = resolve));
        return super.create(meta);
      }
    }
    stores.set('a', new SlowSnapshots());
    const node = await cluster(['a']);
    await write(3);
    const taking = node.snapshot();
    await nodes.clock.settle();
    await write(2, 'later');
    proceed();
    await runToEnd(taking);
    expect(await stateOf('a')).toBe('3\nx0\nx1\nx2\n');
  });

  it('blocksApply delays applying during a snapshot without delaying commits', async () => {
    const node = await cluster(['a', 'b', 'c']);
    const journal = machines.get(node.id) as SnapshotJournal;
    journal.blocksApply = true;
    await write(3);
    let proceed = (): void => {};
    journal.gate = () => new Promise((resolve) => (proceed = resolve));
    const taking = node.snapshot();
    await nodes.clock.elapse(20);
    const proposed = node.propose(bytes('waits'));
    await nodes.clock.elapse(1_000);
    expect(node.status()).toMatchObject({ role: 'leader', committed: 6, applied: 5 });
    journal.gate = () => Promise.resolve();
    proceed();
    await runToEnd(taking);
    expect((await runToEnd(proposed)).result).toBe(4);
    expect(await stateOf(node.id)).toBe('3\nx0\nx1\nx2\n');
  });

  it('maxEntries triggers snapshots, and keep and trailingEntries limit what is kept', async () => {
    const node = await cluster(['a'], { snapshotPolicy: { maxEntries: 10, trailingEntries: 4, keep: 2 } });
    await write(35);
    const held = (await (stores.get('a') as MemorySnapshots).list()).map(({ last }) => last.index);
    expect(held).toHaveLength(2);
    const [newest = 0, older = 0] = held;
    expect(newest - older).toBe(10);
    expect(node.status().base).toBe(newest - 4);
  });

  it('maxBytes triggers a snapshot', async () => {
    const node = await cluster(['a'], { snapshotPolicy: { ...onDemand, maxBytes: 1_000 } });
    await write(1);
    expect(node.status().base).toBe(0);
    await write(20);
    expect(node.status().base).toBeGreaterThan(0);
  });

  it('maxAgeMs triggers a snapshot', async () => {
    const node = await cluster(['a'], { snapshotPolicy: { ...onDemand, maxAgeMs: 5_000 } });
    await write(1);
    const before = node.status().base;
    await nodes.clock.elapse(4_000);
    expect(node.status().base).toBe(before);
    await nodes.clock.elapse(2_000);
    expect(node.status().base).toBe(node.status().applied);
  });

  it('a node that fails to open takes no snapshots', async () => {
    const node = await cluster(['a']);
    await write(3);
    await node.close(atOnce);
    let snapshots = 0;
    class DurableJournal extends SnapshotJournal {
      open = () => Promise.resolve(3);
      override async *snapshot(): AsyncIterable<Uint8Array> {
        snapshots += 1;
        yield* super.snapshot();
      }
    }
    const transport = nodes.network.transport();
    transport.start = () => Promise.reject(new Error('the port is taken'));
    const options = { machine: new DurableJournal(), transport, snapshotPolicy: { ...onDemand, maxAgeMs: 1_000 } };
    await expect(open('a', options)).rejects.toThrow('the port is taken');
    await nodes.clock.elapse(30_000);
    expect(snapshots).toBe(0);
  });

  it('a snapshot that fails on a full disk is reported and retried (bugs.md#d10)', async () => {
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
    let started = 0;
    let ended = 0;
    const journal = machines.get('a') as SnapshotJournal;
    const snapshot = journal.snapshot.bind(journal);
    journal.snapshot = async function* () {
      started += 1;
      try {
        yield* snapshot();
      } finally {
        ended += 1;
      }
    };
    await write(8);
    expect(failures).toEqual([full]);
    expect([started, ended]).toEqual([1, 1]);
    expect(node.status()).toMatchObject({ role: 'leader', base: 0 });
    await expect(runToEnd(node.snapshot())).rejects.toBe(full);
    store.full = false;
    await nodes.clock.elapse(11_000);
    await write(1);
    expect(node.status().base).toBeGreaterThan(0);
  });

  it('a snapshot succeeds even if removing an old one fails; the next retries it', async () => {
    class Sticky extends MemorySnapshots {
      sticky = true;
      override async remove(id: string): Promise<void> {
        if (this.sticky) throw new KontikiError('KONTIKI_STORE_FAILED', 'it stays');
        return super.remove(id);
      }
    }
    const store = new Sticky();
    stores.set('a', store);
    const node = await cluster(['a'], { snapshotPolicy: { ...onDemand, keep: 1 } });
    const failures: Error[] = [];
    node.on('snapshotFailed', ({ error }) => failures.push(error));
    for (const round of [1, 2]) {
      await write(1, `${round}`);
      expect((await runToEnd(node.snapshot())).last.index).toBe(node.status().applied);
    }
    expect([failures, await store.list()]).toMatchObject([[], [{}, {}]]);
    store.sticky = false;
    await write(1);
    await runToEnd(node.snapshot());
    expect(await store.list()).toHaveLength(1);
  });

  it('a snapshot store that breaks an invariant stops the node', async () => {
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
    const fatal: Error[] = [];
    node.on('fatal', ({ error }) => fatal.push(error));
    store.broken = true;
    await expect(runToEnd(node.snapshot())).rejects.toBe(broken);
    expect(fatal).toEqual([broken]);
  });

  it('snapshot() rejects with KONTIKI_NO_SNAPSHOT if nothing is applied', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const node = await open('a');
    await expect(node.snapshot()).rejects.toMatchObject({ code: 'KONTIKI_NO_SNAPSHOT' });
    expect(node.status()).toMatchObject({ role: 'follower', applied: 0 });
  });

  it('a state machine that throws during a snapshot stops the node', async () => {
    const node = await cluster(['a']);
    await write(1);
    const fatal: Error[] = [];
    node.on('fatal', ({ error }) => fatal.push(error));
    (machines.get('a') as SnapshotJournal).gate = () => Promise.reject(new Error('no state'));
    await expect(runToEnd(node.snapshot())).rejects.toMatchObject({ code: 'KONTIKI_MACHINE_FAILED' });
    expect(fatal).toMatchObject([{ code: 'KONTIKI_MACHINE_FAILED' }]);
  });

  it('close aborts a snapshot in progress and removes it from the store', async () => {
    const node = await cluster(['a']);
    await write(3);
    const journal = machines.get('a') as SnapshotJournal;
    journal.blocksApply = true;
    let proceed = (): void => {};
    journal.gate = () => new Promise((resolve) => (proceed = resolve));
    const taking = node.snapshot();
    await nodes.clock.elapse(20);
    const waiting = node.snapshot();
    waiting.catch(() => {});
    const closed = node.close(atOnce);
    journal.gate = () => Promise.resolve();
    const failures: Error[] = [];
    node.on('snapshotFailed', ({ error }) => failures.push(error));
    proceed();
    await expect(runToEnd(taking)).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
    await expect(runToEnd(waiting)).rejects.toMatchObject({ code: 'KONTIKI_CLOSED' });
    expect(failures).toEqual([]);
    await runToEnd(closed);
    await open('a');
    expect(await (stores.get('a') as MemorySnapshots).list()).toEqual([]);
  });

  it('the log is closed even if the snapshot store fails to close', async () => {
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
    await expect(runToEnd(node.close(atOnce))).rejects.toThrow('the disk is gone');
    const transport = nodes.network.transport();
    transport.start = () => Promise.reject(new Error('the port is taken'));
    await expect(open('a', { transport })).rejects.toThrow('the port is taken');
    store.stuck = false;
    await open('a');
  });

  it('snapshot() rejects without a snapshot store', async () => {
    await nodes.bootstrap('a');
    const node = await nodes.open('a');
    await expect(node.snapshot()).rejects.toMatchObject({ code: 'KONTIKI_UNSUPPORTED' });
  });

  it('open rejects a snapshot store if the state machine has no snapshot method', async () => {
    await expect(nodes.open('a', { snapshots: new MemorySnapshots() })).rejects.toMatchObject({
      code: 'KONTIKI_BAD_OPTION',
    });
  });

  it('open rejects an invalid snapshot policy', async () => {
    await expect(open('a', { snapshotPolicy: { keep: 0 } })).rejects.toThrow('snapshotPolicy.keep');
  });

  it('open rejects misspelled names in limits, timings and snapshotPolicy', async () => {
    const misspelled = { entries: 10 } as object;
    await expect(open('a', { snapshotPolicy: misspelled })).rejects.toThrow('There is no snapshotPolicy.entries');
    await expect(open('a', { limits: misspelled })).rejects.toThrow('There is no limits.entries');
    await expect(open('a', { timings: misspelled })).rejects.toThrow('There is no timings.entries');
  });
});
