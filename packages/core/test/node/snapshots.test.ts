import {
  KontikiError,
  MemorySnapshots,
  type NodeOptions,
  type RaftNode,
  type SnapshotMeta,
  type SnapshotPolicy,
} from '@kontiki/core';
import { decodeSnapshot } from '@kontiki/core/wire';
import { Random } from '@kontiki/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bytes, Journal, Nodes } from './harness.js';

/** A journal that gives its state, a command a chunk, and takes one over. */
class KeptJournal extends Journal {
  /** Waits before each chunk but the first. */
  gate: () => Promise<void> = () => Promise.resolve();
  pausing = false;

  async *snapshot(): AsyncIterable<Uint8Array> {
    const commands = this.pausing ? this.commands : [...this.commands];
    yield bytes(`${this.commands.length}\n`);
    for (const text of commands) {
      await this.gate();
      yield bytes(`${text}\n`);
    }
  }

  async restore(chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const [, ...commands] = (await textOf(chunks)).split('\n').slice(0, -1);
    this.commands.splice(0, Infinity, ...commands);
  }
}

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += new TextDecoder().decode(chunk);
  return text;
}

let nodes: Nodes;
let stores: Map<string, MemorySnapshots>;
let machines: Map<string, KeptJournal>;

beforeEach(() => {
  nodes = new Nodes();
  stores = new Map();
  machines = new Map();
});
afterEach(() => nodes.close());

const never: Partial<SnapshotPolicy> = { entries: Infinity, bytes: Infinity, trailingEntries: 0 };

async function open(id: string, options: Partial<NodeOptions<number>> = {}): Promise<RaftNode<number>> {
  const machine = new KeptJournal();
  machines.set(id, machine);
  const store = stores.get(id) ?? new MemorySnapshots();
  stores.set(id, store);
  return nodes.open(id, { machine, snapshots: store, snapshotPolicy: never, ...options });
}

async function cluster(ids: readonly string[], options: Partial<NodeOptions<number>> = {}): Promise<RaftNode<number>> {
  await nodes.bootstrap(...ids);
  for (const id of ids) await open(id, options);
  await nodes.clock.until(() => nodes.leader !== undefined);
  return nodes.leader as RaftNode<number>;
}

/** Proposes `count` commands at whoever leads, and waits for their results. */
async function write(count: number, prefix = 'x'): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const proposed = (nodes.leader as RaftNode<number>).propose(bytes(`${prefix}${i}`));
    let done = false;
    void proposed.then(() => (done = true));
    await nodes.clock.until(() => done);
  }
}

async function settled<T>(promise: Promise<T>): Promise<T> {
  let over = false;
  const end = promise.finally(() => (over = true));
  end.catch(() => {});
  await nodes.clock.until(() => over);
  return end;
}

const stateOf = async (id: string): Promise<string> => {
  const [newest] = await (stores.get(id) as MemorySnapshots).list();
  return textOf(decodeSnapshot((stores.get(id) as MemorySnapshots).read(newest?.id ?? '')));
};

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
    journal.pausing = true;
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
    const node = await cluster(['a'], { snapshotPolicy: { entries: 10, trailingEntries: 4, keep: 2 } });
    await write(35);
    const held = (await (stores.get('a') as MemorySnapshots).list()).map(({ last }) => last.index);
    expect(held).toHaveLength(2);
    const [newest = 0, older = 0] = held;
    expect(newest - older).toBe(10);
    expect(node.status().base).toBe(newest - 4);
    await node.close();

    const bytewise = await open('a', { snapshotPolicy: { entries: Infinity, bytes: 1_000, trailingEntries: 0 } });
    await nodes.clock.until(() => bytewise.isLeader);
    await write(20);
    expect(bytewise.status().base).toBeGreaterThan(newest);
    await bytewise.close();

    const timely = await open('a', { snapshotPolicy: { ...never, ms: 5_000 } });
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
    const options = { machine: new Kept(), transport, snapshotPolicy: { ...never, ms: 1_000 } };
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
    const node = await cluster(['a'], { snapshotPolicy: { entries: 5, trailingEntries: 0 } });
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
    journal.pausing = true;
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
  });
});

describe('a peer that needs what is compacted', () => {
  const policy = { snapshotPolicy: { entries: 10, trailingEntries: 0, keep: 1 } };

  /** c is down while so much is written that its entries are gone. */
  async function behind(): Promise<RaftNode<number>> {
    await cluster(['a', 'b', 'c'], policy);
    await write(3);
    await nodes.get('c').close();
    nodes.nodes.delete('c');
    await nodes.clock.until(() => nodes.leader?.isLeader === true);
    await write(60);
    const leader = nodes.leader as RaftNode<number>;
    expect(leader.status().base).toBeGreaterThanOrEqual(50);
    return leader;
  }

  it('is sent a snapshot, and then entries, while the leader goes on in its term', async () => {
    const leader = await behind();
    const { term } = leader.status();
    const progress: number[] = [];
    let rate = 0;
    leader.on('snapshotSending', ({ peer, bytes: sent, total, ...told }) => {
      rate = told.rate;
      expect(peer).toBe('c');
      expect(sent).toBeLessThanOrEqual(total);
      progress.push(sent);
    });
    const c = await open('c', policy);
    let installed = 0;
    c.on('snapshotInstalled', ({ index }) => (installed = index));
    await write(5, 'meanwhile');
    await nodes.clock.until(() => c.status().applied === leader.status().applied);
    expect(installed).toBeGreaterThanOrEqual(50);
    expect(progress.length).toBeGreaterThan(0);
    expect(rate).toBeGreaterThan(0);
    expect(machines.get('c')?.commands).toEqual(machines.get(leader.id)?.commands);
    expect(leader.status()).toMatchObject({ role: 'leader', term });
    expect(await settled(c.read(() => machines.get('c')?.commands.length))).toBe(68);
    // It has it on its own disk now.
    await c.close();
    const again = await open('c', policy);
    expect(machines.get('c')?.commands.length).toBeGreaterThan(45);
    expect(again.status().base).toBeGreaterThanOrEqual(50);
  });

  it('gets it over a network that loses most of it', async () => {
    const leader = await behind();
    const random = new Random(7);
    nodes.network.cut('a', 'c');
    nodes.network.cut('b', 'c');
    const c = await open('c', policy);
    const flicker = nodes.clock.timer(() => {
      if (random.chance(0.4)) nodes.network.heal();
      else nodes.network.cut(leader.id, 'c');
      flicker.set(nodes.clock.now() + 7);
    });
    flicker.set(nodes.clock.now());
    await nodes.clock.until(() => c.status().applied === leader.status().applied, 120_000);
    flicker.close();
    expect(machines.get('c')?.commands).toEqual(machines.get(leader.id)?.commands);
  });

  it.each([
    [
      'read, but for a byte',
      (piece: Uint8Array) => piece.map((byte, i) => (i === piece.length - 30 ? byte ^ 1 : byte)),
    ],
    [
      'read to its end no more',
      () => {
        throw new KontikiError('KONTIKI_CORRUPT', 'it ends too early');
      },
    ],
  ])('gets another one when the first is damaged where it lies, and can be %s', async (_, damage) => {
    const leader = await behind();
    const store = stores.get(leader.id) as MemorySnapshots;
    const [damaged] = await store.list();
    const read = store.read.bind(store);
    store.read = async function* (id, offset) {
      for await (const piece of read(id, offset)) yield id === damaged?.id ? damage(piece) : piece;
    };
    const failures: string[] = [];
    leader.on('snapshotFailed', ({ error }) => failures.push(error.message));
    const c = await open('c', policy);
    await nodes.clock.until(() => c.status().applied === leader.status().applied);
    expect(machines.get('c')?.commands).toEqual(machines.get(leader.id)?.commands);
    expect(failures).toEqual([expect.stringContaining('another one is taken')]);
    expect((await store.list()).map(({ id }) => id)).not.toContain(damaged?.id);
  });

  it('is sent none by a node that was closed while it took one', async () => {
    const leader = await behind();
    const store = stores.get(leader.id) as MemorySnapshots;
    const [damaged] = await store.list();
    const read = store.read.bind(store);
    store.read = (id, offset) => {
      if (id === damaged?.id) throw new KontikiError('KONTIKI_CORRUPT', 'it ends too early');
      return read(id, offset);
    };
    const create = store.create.bind(store);
    let finishing = false;
    let finish = (): void => {};
    const late = new Promise<void>((resolve) => (finish = resolve));
    store.create = async (meta) => {
      const writer = await create(meta);
      const end = writer.finish.bind(writer);
      writer.finish = async () => {
        finishing = true;
        await late;
        return end();
      };
      return writer;
    };
    await open('c', policy);
    await nodes.clock.until(() => finishing);
    const asked = vi.spyOn(store, 'read');
    const sent = vi.spyOn(nodes.clock, 'timer');
    const closed = leader.close();
    finish();
    await settled(closed);
    expect([asked.mock.calls, sent.mock.calls]).toEqual([[], []]);
  });

  it('is brought to the one that was installed, whatever newer one has become whole meanwhile', async () => {
    const leader = await behind();
    const store = new MemorySnapshots();
    stores.set('c', store);
    const c = await open('c', policy);
    let installed = 0;
    c.on('snapshotInstalled', ({ index }) => (installed = index));
    // What there is, is looked at late.
    const list = store.list.bind(store);
    let look = (): void => {};
    const late = new Promise<void>((resolve) => (look = resolve));
    store.list = () => (installed > 0 ? late.then(list) : list());
    await nodes.clock.until(() => installed > 0);
    await write(12, 'meanwhile');
    const from = stores.get(leader.id) as MemorySnapshots;
    const [newer] = await from.list();
    expect(newer?.last.index).toBeGreaterThan(installed);
    const writer = await store.create(newer as SnapshotMeta);
    for await (const piece of from.read(newer?.id ?? '')) await writer.write(piece);
    await writer.finish();
    look();
    await nodes.clock.until(() => c.status().applied === leader.status().applied);
    expect(machines.get('c')?.commands).toEqual(machines.get(leader.id)?.commands);
  });

  it('stops when its machine cannot take it over, and finishes the install at its next start', async () => {
    const leader = await behind();
    const c = await open('c', policy);
    const stopped: Error[] = [];
    c.on('fatal', ({ error }) => stopped.push(error));
    (machines.get('c') as KeptJournal).restore = () => Promise.reject(new Error('cannot'));
    await nodes.clock.until(() => stopped.length > 0);
    expect(stopped).toMatchObject([{ code: 'KONTIKI_MACHINE_FAILED' }]);
    expect(leader.isLeader).toBe(true);
    await nodes.clock.elapse(10);
    const again = await open('c', policy);
    await nodes.clock.until(() => again.status().applied === leader.status().applied);
    expect(machines.get('c')?.commands).toEqual(machines.get(leader.id)?.commands);
  });

  it('tells callers whose entries a snapshot has passed over that their outcome is unknown', async () => {
    const old = await cluster(['a', 'b', 'c'], policy);
    await write(3);
    nodes.network.isolate(old.id);
    const lost = old.propose(bytes('lost'), { timeout: 60_000 });
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.leader !== old);
    nodes.nodes.delete(old.id);
    await nodes.clock.until(() => nodes.leader?.isLeader === true);
    await write(40);
    nodes.network.heal();
    await expect(settled(lost)).rejects.toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME' });
    await nodes.clock.until(() => old.status().applied === nodes.leader?.status().applied);
    expect(machines.get(old.id)?.commands).not.toContain('lost');
    await old.close();
  });
});
