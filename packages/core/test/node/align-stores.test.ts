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

/** A log of entries from its base on, whose terms are given; with a vote. */
async function log(terms: readonly number[], base = { index: 0, term: 0 }): Promise<MemoryLog> {
  const store = new MemoryLog();
  await store.open(owner);
  const at = base.index === 0 ? undefined : { index: 1, membership };
  if (base.index > 0) await store.reset({ ...base, membership: at, genesis: 7 });
  const entries = terms.map((term, i) => (base.index + i === 0 ? first : command(base.index + i + 1, term)));
  await store.append({ ballot: { term: 9, votedFor: undefined }, entries });
  await store.close();
  return store;
}

/** Snapshots of these places; `damaged` ones give other bytes than were written. */
async function snapshots(
  ...places: readonly { index: number; term: number; damaged?: boolean; version?: number }[]
): Promise<MemorySnapshots> {
  const damaged = new Set<string>();
  class Damaged extends MemorySnapshots {
    override async *read(id: string, offset?: number): AsyncGenerator<Uint8Array, void> {
      for await (const piece of super.read(id, offset)) yield damaged.has(id) ? piece.map((byte) => byte ^ 1) : piece;
    }
  }
  const store = new Damaged();
  await store.open(owner);
  for (const [i, { index, term, version = 0, damaged: isDamaged = false }] of places.entries()) {
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

/** Knows which state it has. */
class Machine implements StateMachine {
  held: number;
  readonly restored: number[] = [];
  open?: () => Promise<number>;

  /** `disk`: what it holds on a disk of its own. */
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

interface Case {
  readonly log: MemoryLog;
  readonly snapshots: MemorySnapshots;
  readonly machine?: Machine;
}

async function joined({
  machine = new Machine(),
  ...stores
}: Case): Promise<AlignedStores & { machine: Machine; info: SnapshotInfo | undefined }> {
  const result = await alignStores({ ...stores, machine, logger: silentLogger }, owner);
  return { ...result, machine, info: result.snapshot };
}

const none = (): Promise<MemorySnapshots> => snapshots();

describe('a start', () => {
  it('without snapshots applies the log from its beginning', async () => {
    const { state, applied, machine } = await joined({ log: await log([1, 1, 2]), snapshots: await none() });
    expect([state.last, applied, machine.restored]).toEqual([3, 0, []]);
  });

  it('restores the newest snapshot that the log holds, and keeps what is behind it', async () => {
    const stores = {
      log: await log([1, 1, 2, 2, 3]),
      snapshots: await snapshots({ index: 2, term: 1 }, { index: 4, term: 2 }),
    };
    const { state, applied, machine } = await joined(stores);
    expect([state.base.index, state.last, state.committed, applied, machine.restored]).toEqual([0, 5, 4, 4, [4]]);
  });

  it('joins at the base of a compacted log', async () => {
    const stores = { log: await log([2, 3], { index: 4, term: 2 }), snapshots: await snapshots({ index: 4, term: 2 }) };
    expect(await joined(stores)).toMatchObject({ applied: 4, state: { base: { index: 4 }, last: 6 } });
  });

  it.each([
    ['of another term', [1, 1, 2, 2, 2], { index: 4, term: 3 }],
    ['beyond its end', [1, 1], { index: 4, term: 3 }],
  ])('finishes an install: what the log holds is %s, so the snapshot takes its place', async (_, terms, place) => {
    const store = await log(terms);
    const { state, applied, machine } = await joined({ log: store, snapshots: await snapshots(place) });
    expect([state.base.index, state.base.term, state.last, state.committed, applied, machine.held]).toEqual([
      4, 3, 4, 4, 4, 4,
    ]);
    expect(state.terms).toEqual([]);
    await store.close();
    expect(await store.open(owner)).toMatchObject({ base: { index: 4, term: 3 }, last: 4, ballot: { term: 9 } });
  });

  it('brings a machine with a disk of its own to the snapshot when it is behind, and leaves one that is ahead', async () => {
    const stores = async (): Promise<Omit<Case, 'machine'>> => ({
      log: await log([2, 2], { index: 4, term: 2 }),
      snapshots: await snapshots({ index: 4, term: 2 }),
    });
    const behind = await joined({ ...(await stores()), machine: new Machine(2) });
    expect([behind.applied, behind.machine.restored]).toEqual([4, [4]]);
    const ahead = await joined({ ...(await stores()), machine: new Machine(5) });
    expect([ahead.applied, ahead.machine.restored]).toEqual([5, []]);
  });

  it('takes the snapshot before a damaged one if the log reaches back to it', async () => {
    const places = [
      { index: 2, term: 1 },
      { index: 4, term: 2, damaged: true },
    ];
    const { applied, info, machine } = await joined({
      log: await log([1, 1, 2, 2, 3]),
      snapshots: await snapshots(...places),
    });
    expect([applied, info?.last.index, machine.restored]).toEqual([2, 2, [2]]);
  });

  it.each([
    ['the only snapshot is damaged', { index: 4, term: 2 }, [{ index: 4, term: 2, damaged: true }]],
    [
      'the one before a damaged one ends before the log begins',
      { index: 4, term: 2 },
      [
        { index: 2, term: 1 },
        { index: 4, term: 2, damaged: true },
      ],
    ],
    ['no snapshot is there', { index: 4, term: 2 }, []],
    ['the newest ends before the log begins', { index: 4, term: 2 }, [{ index: 3, term: 2 }]],
  ])('is refused when the log is compacted and %s', async (_, base, places) => {
    const store = await log([2, 3], base);
    await expect(joined({ log: store, snapshots: await snapshots(...places) })).rejects.toMatchObject({
      code: 'KONTIKI_LOST_DATA',
    });
    await store.close();
    expect(await store.open(owner)).toMatchObject({ base: { index: 4 }, last: 6 });
  });

  it('goes on without snapshots when a machine with a disk of its own holds what the log no longer does', async () => {
    const stores = { log: await log([2, 3], { index: 4, term: 2 }), snapshots: await none() };
    expect(await joined({ ...stores, machine: new Machine(5) })).toMatchObject({ applied: 5, snapshot: undefined });
  });

  it('is refused beside a log that holds nothing, not even a vote: it was lost', async () => {
    const stores = { log: new MemoryLog(), snapshots: await snapshots({ index: 4, term: 2 }) };
    await expect(joined(stores)).rejects.toMatchObject({ code: 'KONTIKI_LOST_DATA' });
  });

  it('is refused when the machine is ahead of the log, and nothing is changed', async () => {
    const store = await log([1, 1]);
    const stores = { log: store, snapshots: await snapshots({ index: 4, term: 3 }) };
    await expect(joined({ ...stores, machine: new Machine(6) })).rejects.toThrow(
      'applied entry 6, but the log ends at 4',
    );
    await store.close();
    expect(await store.open(owner)).toMatchObject({ base: { index: 0 }, last: 2 });
  });

  it('is refused when a newer machine wrote the snapshot', async () => {
    const stores = { log: await log([1, 1, 2, 2]), snapshots: await snapshots({ index: 4, term: 2, version: 3 }) };
    await expect(joined(stores)).rejects.toMatchObject({ code: 'KONTIKI_FORMAT' });
  });

  it('is refused when the machine cannot take the state over', async () => {
    const machine = new Machine();
    machine.restore = (): Promise<void> => Promise.reject(new Error('cannot'));
    const stores = { log: await log([1, 1, 2, 2]), snapshots: await snapshots({ index: 4, term: 2 }) };
    await expect(joined({ ...stores, machine })).rejects.toMatchObject({ code: 'KONTIKI_MACHINE_FAILED' });
  });
});
