// Shows how alignStores aligns the log, the snapshots and the state machine at startup, and which
// gaps it rejects. Each test builds these ports in memory.
import {
  membershipOf,
  MemoryLog,
  MemorySnapshots,
  silentLogger,
  type Entry,
  type SnapshotInfo,
  type SnapshotMeta,
  type StateMachine,
} from '@kontiki/core';
import { encodeSnapshot } from '@kontiki/core/wire';
import { describe, expect, it } from 'vitest';
import { alignStores, type AlignedStores } from '../../src/node/start/align-stores.js';

const owner = { cluster: 'test', server: 'a' };
const membership = membershipOf([['a', { address: 'memory:a', metadata: '' }]]);
const first: Entry = { kind: 'membership', index: 1, term: 1, membership };

const command = (index: number, term: number): Entry => ({ kind: 'command', index, term, data: new Uint8Array(1) });

/** Returns a log with a ballot, and with one entry per given term after its base. */
async function log(terms: readonly number[], base = { index: 0, term: 0 }): Promise<MemoryLog> {
  const store = new MemoryLog();
  await store.open(owner);
  const membershipAt = base.index === 0 ? undefined : { index: 1, membership };
  if (base.index > 0) await store.reset({ ...base, membership: membershipAt, genesis: 7 });
  const entries = terms.map((term, i) => (base.index + i === 0 ? first : command(base.index + i + 1, term)));
  await store.append({ ballot: { term: 9, votedFor: undefined }, entries });
  await store.close();
  return store;
}

/**
 * Returns a store with a snapshot at each position. Snapshots marked `damaged` return changed bytes
 * when read.
 */
async function snapshots(
  ...positions: readonly { index: number; term: number; damaged?: boolean; version?: number }[]
): Promise<MemorySnapshots> {
  const damaged = new Set<string>();
  class Damaged extends MemorySnapshots {
    override async *read(id: string, offset?: number): AsyncGenerator<Uint8Array, void> {
      for await (const piece of super.read(id, offset)) yield damaged.has(id) ? piece.map((byte) => byte ^ 1) : piece;
    }
  }
  const store = new Damaged();
  await store.open(owner);
  for (const [i, { index, term, version = 0, damaged: isDamaged = false }] of positions.entries()) {
    const id = `${i}`.padStart(32, '0');
    if (isDamaged) damaged.add(id);
    const meta: SnapshotMeta = {
      id,
      cluster: 'test',
      last: { index, term },
      membership: { index: 1, membership },
      genesis: 7,
      version,
    };
    const writer = await store.create(meta);
    for await (const piece of encodeSnapshot(meta, stateOf(index))) await writer.write(piece);
    await writer.finish();
  }
  await store.close();
  return store;
}

async function* stateOf(index: number): AsyncIterable<Uint8Array> {
  yield new Uint8Array([index]);
}

/** A state machine whose state is the index of the last restored snapshot. */
class Machine implements StateMachine {
  held: number;
  readonly restored: number[] = [];
  open?: () => Promise<number>;

  /**
   * Creates a machine. `disk` is the index of its durable state, if the machine stores its own
   * state.
   */
  constructor(disk?: number) {
    this.held = disk ?? 0;
    if (disk !== undefined) this.open = (): Promise<number> => Promise.resolve(disk);
  }

  apply(): [] {
    return [];
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let held = 0;
    for await (const [byte = 0] of chunks) held = byte;
    this.held = held;
    this.restored.push(held);
  }
}

interface Ports {
  readonly log: MemoryLog;
  readonly snapshots: MemorySnapshots;
  readonly machine?: Machine;
}

async function align({
  machine = new Machine(),
  ...stores
}: Ports): Promise<AlignedStores & { machine: Machine; info: SnapshotInfo | undefined }> {
  const result = await alignStores({ ...stores, machine, logger: silentLogger }, owner);
  return { ...result, machine, info: result.snapshot };
}

const none = (): Promise<MemorySnapshots> => snapshots();

describe('alignStores', () => {
  it('alignStores leaves the whole log to be applied if there are no snapshots', async () => {
    const { state, applied, machine } = await align({ log: await log([1, 1, 2]), snapshots: await none() });
    expect([state.last, applied, machine.restored]).toEqual([3, 0, []]);
  });

  it('alignStores restores the newest snapshot and keeps the entries after it', async () => {
    const stores = {
      log: await log([1, 1, 2, 2, 3]),
      snapshots: await snapshots({ index: 2, term: 1 }, { index: 4, term: 2 }),
    };
    const { state, applied, machine } = await align(stores);
    expect([state.base.index, state.last, state.committed, applied, machine.restored]).toEqual([0, 5, 4, 4, [4]]);
  });

  it('alignStores restores a snapshot that ends at the base of the log', async () => {
    const stores = { log: await log([2, 3], { index: 4, term: 2 }), snapshots: await snapshots({ index: 4, term: 2 }) };
    expect(await align(stores)).toMatchObject({ applied: 4, state: { base: { index: 4 }, last: 6 } });
  });

  it.each([
    ['has another term', [1, 1, 2, 2, 2], { index: 4, term: 3 }],
    ['is too short', [1, 1], { index: 4, term: 3 }],
  ])('alignStores finishes an interrupted install if the log %s (bugs.md#d11)', async (_, terms, position) => {
    const store = await log(terms);
    const { state, applied, machine } = await align({ log: store, snapshots: await snapshots(position) });
    expect([state.base.index, state.base.term, state.last, state.committed, applied, machine.held]).toEqual([
      4, 3, 4, 4, 4, 4,
    ]);
    expect(state.terms).toEqual([]);
    await store.close();
    expect(await store.open(owner)).toMatchObject({ base: { index: 4, term: 3 }, last: 4, ballot: { term: 9 } });
  });

  it('alignStores restores a durable machine that is behind the snapshot', async () => {
    const stores = { log: await log([2, 2], { index: 4, term: 2 }), snapshots: await snapshots({ index: 4, term: 2 }) };
    const { applied, machine } = await align({ ...stores, machine: new Machine(2) });
    expect([applied, machine.restored]).toEqual([4, [4]]);
  });

  it('alignStores does not restore a durable machine that is ahead of the snapshot', async () => {
    const stores = { log: await log([2, 2], { index: 4, term: 2 }), snapshots: await snapshots({ index: 4, term: 2 }) };
    const { applied, machine } = await align({ ...stores, machine: new Machine(5) });
    expect([applied, machine.restored]).toEqual([5, []]);
  });

  it('alignStores restores the previous snapshot if the newest snapshot is damaged', async () => {
    const positions = [
      { index: 2, term: 1 },
      { index: 4, term: 2, damaged: true },
    ];
    const { applied, info, machine } = await align({
      log: await log([1, 1, 2, 2, 3]),
      snapshots: await snapshots(...positions),
    });
    expect([applied, info?.last.index, machine.restored]).toEqual([2, 2, [2]]);
  });

  it.each([
    ['its only snapshot is damaged', { index: 4, term: 2 }, [{ index: 4, term: 2, damaged: true }]],
    [
      'the snapshot before a damaged one ends below its base',
      { index: 4, term: 2 },
      [
        { index: 2, term: 1 },
        { index: 4, term: 2, damaged: true },
      ],
    ],
    ['there is no snapshot', { index: 4, term: 2 }, []],
    ['the newest snapshot ends below its base', { index: 4, term: 2 }, [{ index: 3, term: 2 }]],
  ])('alignStores rejects a compacted log if %s', async (_, base, positions) => {
    const store = await log([2, 3], base);
    await expect(align({ log: store, snapshots: await snapshots(...positions) })).rejects.toMatchObject({
      code: 'KONTIKI_LOST_DATA',
    });
    await store.close();
    expect(await store.open(owner)).toMatchObject({ base: { index: 4 }, last: 6 });
  });

  it('alignStores needs no snapshot if the machine has applied all compacted entries', async () => {
    const stores = { log: await log([2, 3], { index: 4, term: 2 }), snapshots: await none() };
    expect(await align({ ...stores, machine: new Machine(5) })).toMatchObject({ applied: 5, snapshot: undefined });
  });

  it('alignStores rejects a snapshot if the log has neither entries nor a ballot', async () => {
    const stores = { log: new MemoryLog(), snapshots: await snapshots({ index: 4, term: 2 }) };
    await expect(align(stores)).rejects.toMatchObject({ code: 'KONTIKI_LOST_DATA' });
  });

  it('alignStores rejects a machine ahead of the log without changing anything', async () => {
    const store = await log([1, 1]);
    const stores = { log: store, snapshots: await snapshots({ index: 4, term: 3 }) };
    await expect(align({ ...stores, machine: new Machine(6) })).rejects.toThrow(
      'applied entry 6, but the log ends at 4',
    );
    await store.close();
    expect(await store.open(owner)).toMatchObject({ base: { index: 0 }, last: 2 });
  });

  it('alignStores rejects a snapshot written by a newer version of the machine', async () => {
    const stores = { log: await log([1, 1, 2, 2]), snapshots: await snapshots({ index: 4, term: 2, version: 3 }) };
    await expect(align(stores)).rejects.toMatchObject({ code: 'KONTIKI_FORMAT' });
  });

  it('alignStores rejects with KONTIKI_MACHINE_FAILED if restore fails', async () => {
    const machine = new Machine();
    machine.restore = (): Promise<void> => Promise.reject(new Error('cannot'));
    const stores = { log: await log([1, 1, 2, 2]), snapshots: await snapshots({ index: 4, term: 2 }) };
    await expect(align({ ...stores, machine })).rejects.toMatchObject({ code: 'KONTIKI_MACHINE_FAILED' });
  });
});
