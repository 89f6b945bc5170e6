import {
  type ApplyBatch,
  KontikiError,
  MemorySnapshots,
  type RaftNode,
  type SnapshotMeta,
  type Transport,
} from '@kontiki/core';
import { Random } from '@kontiki/testing';
import { describe, expect, it, vi } from 'vitest';
import { bytes } from './harness.js';
import { KeptJournal, cluster, machines, nodes, open, settled, stores, write } from './snapshot-harness.js';

describe('a peer that needs what is compacted', () => {
  const policy = { snapshotPolicy: { maxEntries: 10, trailingEntries: 0, keep: 1 } };

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

  it.each([
    ['100 MB a second while commands wait to be committed', true, undefined, 100e6],
    ['no bound while none waits', false, undefined, Infinity],
    ['the bound that was asked for, while commands wait', true, 1e9, 1e9],
    ['the bound that was asked for, while none waits', false, 20e6, 20e6],
  ])('gets it at a rate: %s', async (_, waits, bytesPerSecond, rate) => {
    const snapshotPolicy = { ...policy.snapshotPolicy, bytesPerSecond };
    await cluster(['a', 'b', 'c'], { snapshotPolicy });
    await nodes.get('c').close();
    nodes.nodes.delete('c');
    await nodes.clock.until(() => nodes.leader?.isLeader === true);
    await write(24, 'x'.repeat(300_000));
    const leader = nodes.leader as RaftNode<number>;
    const times: number[] = [];
    let size = 0;
    leader.on('snapshotSending', ({ bytes: sent, total }) => {
      size = total;
      if (sent > 0) times.push(nodes.clock.now());
      // Nobody but the one that is fed can make a majority with the leader.
      if (waits && sent === 0) {
        nodes.network.cut('a', 'b');
        void leader.propose(bytes('waits')).catch(() => {});
      }
    });
    const c = await open('c', { snapshotPolicy });
    await nodes.clock.until(() => c.status().applied >= 20);
    const took = (times.at(-1) as number) - (times[0] as number);
    const least = (1_000 * (size - 2 * 256 * 1024)) / rate;
    expect(size).toBeGreaterThan(5e6);
    expect(took).toBeGreaterThanOrEqual(0.9 * least);
    expect(took).toBeLessThan(1.5 * least + 25);
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

  it('gets another one when the first cannot be read, whatever the disk says', async () => {
    const leader = await behind();
    const store = stores.get(leader.id) as MemorySnapshots;
    const [unreadable] = await store.list();
    const read = store.read.bind(store);
    store.read = async function* (id, offset) {
      for await (const piece of read(id, offset)) {
        // What stands before the broken place arrives.
        if (id === unreadable?.id && (offset ?? 0) === 0) yield piece.subarray(0, 100);
        if (id === unreadable?.id) throw new KontikiError('KONTIKI_STORE_FAILED', 'EIO');
        yield piece;
      }
    };
    const failures: string[] = [];
    leader.on('snapshotFailed', ({ error }) => failures.push(error.message));
    const c = await open('c', policy);
    await nodes.clock.until(() => c.status().applied === leader.status().applied);
    expect(machines.get('c')?.commands).toEqual(machines.get(leader.id)?.commands);
    expect(failures).toEqual([
      ...failures.slice(0, -1).map(() => 'EIO'),
      expect.stringContaining('cannot be read, so another one is taken'),
    ]);
    expect(failures.length).toBeGreaterThanOrEqual(3);
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

  /** c has applied something, and is cut off until what comes next is gone. */
  async function cutOff(): Promise<{ readonly c: RaftNode<number>; readonly machine: KeptJournal }> {
    await cluster(['a', 'b', 'c'], policy);
    await write(3);
    const c = nodes.followers[0] as RaftNode<number>;
    await nodes.clock.until(() => c.status().applied === nodes.leader?.status().applied);
    return { c, machine: machines.get(c.id) as KeptJournal };
  }

  it('takes none that it was asked for while entries are applied before what it has installed is restored', async () => {
    const { c, machine } = await cutOff();
    const applied = c.status().applied;
    let end = (): void => {};
    const slow = new Promise<void>((resolve) => (end = resolve));
    const apply = machine.apply.bind(machine);
    machine.apply = ((batch: ApplyBatch) => slow.then(() => apply(batch))) as never;
    await write(1, 'slow');
    await nodes.clock.elapse(100);
    nodes.network.isolate(c.id);
    await write(60);
    let installed = 0;
    c.on('snapshotInstalled', ({ index }) => (installed = index));
    nodes.network.heal();
    const taken = c.snapshot();
    await nodes.clock.until(() => installed > 0);
    expect(c.status().applied).toBe(applied);
    end();
    expect((await settled(taken)).last.index).toBeGreaterThanOrEqual(installed);
    await nodes.clock.until(() => c.status().applied === nodes.leader?.status().applied);
    expect(machine.commands).toEqual(machines.get(nodes.leader?.id ?? '')?.commands);
  });

  it('goes on when the one that its machine was about to read has given way to a newer one', async () => {
    const { c, machine } = await cutOff();
    let installs = 0;
    c.on('snapshotInstalled', () => (installs += 1));
    let read = (): void => {};
    const prepared = new Promise<void>((resolve) => (read = resolve));
    const restore = machine.restore.bind(machine);
    machine.restore = (chunks) => prepared.then(() => restore(chunks));
    for (const round of [1, 2]) {
      nodes.network.isolate(c.id);
      await write(60);
      nodes.network.heal();
      await nodes.clock.until(() => installs === round);
    }
    await nodes.clock.elapse(100);
    expect(await (stores.get(c.id) as MemorySnapshots).list()).toHaveLength(1);
    read();
    await nodes.clock.until(() => c.status().applied === nodes.leader?.status().applied);
    expect(machine.commands).toEqual(machines.get(nodes.leader?.id ?? '')?.commands);
  });

  it('gives up restoring it when it is closed, and restores it at its next start', async () => {
    const leader = await behind();
    const c = await open('c', policy);
    const machine = machines.get('c') as KeptJournal;
    let begun = false;
    let read = (): void => {};
    const prepared = new Promise<void>((resolve) => (read = resolve));
    let code: unknown;
    machine.restore = async (chunks) => {
      begun = true;
      await prepared;
      await KeptJournal.prototype.restore.call(machine, chunks).catch((error: KontikiError) => {
        code = error.code;
        throw error;
      });
    };
    await nodes.clock.until(() => begun);
    const closed = c.close();
    read();
    await settled(closed);
    expect([code, machine.commands.length]).toEqual(['KONTIKI_CLOSED', 3]);
    const again = await open('c', policy);
    await nodes.clock.until(() => again.status().applied === leader.status().applied);
    expect(machines.get('c')?.commands).toEqual(machines.get(leader.id)?.commands);
  });

  it('finds in the log what it needs, until a second snapshot is taken without it', async () => {
    const { c } = await cutOff();
    const held = c.status().last;
    const leader = nodes.leader as RaftNode<number>;
    await leader.snapshot();
    const first = leader.status().applied;
    nodes.network.isolate(c.id);
    await write(5);
    await settled(leader.snapshot());
    expect(leader.status().base).toBeLessThanOrEqual(Math.max(held, first));
    await write(5);
    await settled(leader.snapshot());
    expect(leader.status().base).toBe(leader.status().applied - 5);
  });

  it('is sent to its end the one that was begun, whatever newer ones are taken', async () => {
    const leader = await behind();
    const store = stores.get(leader.id) as MemorySnapshots;
    const [sent] = await store.list();
    let begun = false;
    leader.on('snapshotSending', () => (begun = true));
    await open('c', { ...policy, transport: silentAfterOffer() });
    await nodes.clock.until(() => begun);
    await write(40);
    const held = (await store.list()).map(({ id }) => id);
    expect(held).toContain(sent?.id);
    expect(held).toHaveLength(2);
  });

  /** Takes what is offered, and none of its bytes. */
  function silentAfterOffer(): Transport {
    const transport = nodes.network.transport();
    const start = transport.start.bind(transport);
    transport.start = (self, receive) =>
      start(self, (from, message) => {
        if (message.kind !== 'snapshotChunk') receive(from, message);
      });
    return transport;
  }

  it('takes it over though the one before it cannot be removed', async () => {
    const { c } = await cutOff();
    const store = stores.get(c.id) as MemorySnapshots;
    await settled(c.snapshot());
    store.remove = () => Promise.reject(new KontikiError('KONTIKI_STORE_FAILED', 'it stays'));
    nodes.network.isolate(c.id);
    await write(60);
    nodes.network.heal();
    await nodes.clock.until(() => c.status().base > 50);
    await write(1);
    await nodes.clock.until(() => c.status().applied === nodes.leader?.status().applied);
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
