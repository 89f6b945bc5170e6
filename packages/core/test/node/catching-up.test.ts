// Shows how a follower that needs compacted entries catches up with a snapshot. Runs whole nodes on
// virtual time. Disks, links and state machines fail during the transfer.
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
import { atOnce, bytes } from './harness.js';
import { SnapshotJournal, cluster, machines, nodes, open, runToEnd, stores, write } from './snapshot-harness.js';

describe('catching up with a snapshot', () => {
  const policy = { snapshotPolicy: { maxEntries: 10, trailingEntries: 0, keep: 1 } };

  /**
   * Starts a cluster in which server `c` is down and needs entries that have been compacted.
   * Resolves with the leader.
   */
  async function leaderWithoutC(): Promise<RaftNode<number>> {
    await cluster(['a', 'b', 'c'], policy);
    await write(3);
    await nodes.get('c').close(atOnce);
    nodes.nodes.delete('c');
    await nodes.clock.until(() => nodes.leader?.isLeader === true);
    await write(60);
    const leader = nodes.leader as RaftNode<number>;
    expect(leader.status().base).toBeGreaterThanOrEqual(50);
    return leader;
  }

  it('a follower that needs compacted entries gets a snapshot and entries in one term', async () => {
    const leader = await leaderWithoutC();
    const { term } = leader.status();
    const progress: number[] = [];
    let rate = 0;
    leader.on('snapshotSending', ({ peer, bytes: sent, total, ...rest }) => {
      rate = rest.rate;
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
    expect(await runToEnd(c.read(() => machines.get('c')?.commands.length))).toBe(68);
    // The snapshot is now in server `c`'s store.
    await c.close(atOnce);
    const again = await open('c', policy);
    expect(machines.get('c')?.commands.length).toBeGreaterThan(45);
    expect(again.status().base).toBeGreaterThanOrEqual(50);
  });

  it.each([
    ['100 MB/s while a command waits to be committed', true, undefined, 100e6],
    ['full speed while no command waits', false, undefined, Infinity],
    ['bytesPerSecond while a command waits', true, 1e9, 1e9],
    ['bytesPerSecond while no command waits', false, 20e6, 20e6],
  ])('a leader sends a snapshot at %s', async (_, waits, bytesPerSecond, rate) => {
    const snapshotPolicy = { ...policy.snapshotPolicy, bytesPerSecond };
    await cluster(['a', 'b', 'c'], { snapshotPolicy });
    await nodes.get('c').close(atOnce);
    nodes.nodes.delete('c');
    await nodes.clock.until(() => nodes.leader?.isLeader === true);
    await write(24, 'x'.repeat(300_000));
    const leader = nodes.leader as RaftNode<number>;
    const times: number[] = [];
    let size = 0;
    leader.on('snapshotSending', ({ bytes: sent, total }) => {
      size = total;
      if (sent > 0) times.push(nodes.clock.now());
      // Cut off the other follower, so that the command cannot commit before `c` catches up.
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

  it('a snapshot transfer completes over a link that is down most of the time', async () => {
    const leader = await leaderWithoutC();
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
    ['has a damaged byte', (piece: Uint8Array) => piece.map((byte, i) => (i === piece.length - 30 ? byte ^ 1 : byte))],
    [
      'cannot be read to its end',
      () => {
        throw new KontikiError('KONTIKI_CORRUPT', 'it ends too early');
      },
    ],
  ])('a leader takes a new snapshot if the stored snapshot %s', async (_, damage) => {
    const leader = await leaderWithoutC();
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

  it('a leader takes a new snapshot if the stored snapshot cannot be read from disk', async () => {
    const leader = await leaderWithoutC();
    const store = stores.get(leader.id) as MemorySnapshots;
    const [unreadable] = await store.list();
    const read = store.read.bind(store);
    store.read = async function* (id, offset) {
      for await (const piece of read(id, offset)) {
        // Return only the bytes before the broken sector.
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

  it('a leader closed while taking a snapshot does not send the snapshot', async () => {
    const leader = await leaderWithoutC();
    const store = stores.get(leader.id) as MemorySnapshots;
    const [damaged] = await store.list();
    const read = store.read.bind(store);
    store.read = (id, offset) => {
      if (id === damaged?.id) throw new KontikiError('KONTIKI_CORRUPT', 'it ends too early');
      return read(id, offset);
    };
    const create = store.create.bind(store);
    let finishing = false;
    let openGate = (): void => {};
    const gate = new Promise<void>((resolve) => (openGate = resolve));
    store.create = async (meta) => {
      const writer = await create(meta);
      const end = writer.finish.bind(writer);
      writer.finish = async () => {
        finishing = true;
        await gate;
        return end();
      };
      return writer;
    };
    await open('c', policy);
    await nodes.clock.until(() => finishing);
    const closed = leader.close(atOnce);
    const reads = vi.spyOn(store, 'read');
    const timers = vi.spyOn(nodes.clock, 'timer');
    openGate();
    await runToEnd(closed);
    expect([reads.mock.calls, timers.mock.calls]).toEqual([[], []]);
  });

  it('a follower restores the installed snapshot, not a newer snapshot in its store', async () => {
    const leader = await leaderWithoutC();
    const store = new MemorySnapshots();
    stores.set('c', store);
    const c = await open('c', policy);
    let installed = 0;
    c.on('snapshotInstalled', ({ index }) => (installed = index));
    // After the install, make `list` wait until the store contains a newer snapshot.
    const list = store.list.bind(store);
    let openGate = (): void => {};
    const gate = new Promise<void>((resolve) => (openGate = resolve));
    store.list = () => (installed > 0 ? gate.then(list) : list());
    await nodes.clock.until(() => installed > 0);
    await write(12, 'meanwhile');
    const from = stores.get(leader.id) as MemorySnapshots;
    const [newer] = await from.list();
    expect(newer?.last.index).toBeGreaterThan(installed);
    const writer = await store.create(newer as SnapshotMeta);
    for await (const piece of from.read(newer?.id ?? '')) await writer.write(piece);
    await writer.finish();
    openGate();
    await nodes.clock.until(() => c.status().applied === leader.status().applied);
    expect(machines.get('c')?.commands).toEqual(machines.get(leader.id)?.commands);
  });

  it('a follower stops if a restore fails, and restores again at its next start', async () => {
    const leader = await leaderWithoutC();
    const c = await open('c', policy);
    const fatal: Error[] = [];
    c.on('fatal', ({ error }) => fatal.push(error));
    (machines.get('c') as SnapshotJournal).restore = () => Promise.reject(new Error('cannot'));
    await nodes.clock.until(() => fatal.length > 0);
    expect(fatal).toMatchObject([{ code: 'KONTIKI_MACHINE_FAILED' }]);
    expect(leader.isLeader).toBe(true);
    await nodes.clock.elapse(10);
    const again = await open('c', policy);
    await nodes.clock.until(() => again.status().applied === leader.status().applied);
    expect(machines.get('c')?.commands).toEqual(machines.get(leader.id)?.commands);
  });

  /** Starts a cluster and waits until the follower `c` has applied all entries. */
  async function withFollower(): Promise<{ readonly c: RaftNode<number>; readonly machine: SnapshotJournal }> {
    await cluster(['a', 'b', 'c'], policy);
    await write(3);
    const c = nodes.followers[0] as RaftNode<number>;
    await nodes.clock.until(() => c.status().applied === nodes.leader?.status().applied);
    return { c, machine: machines.get(c.id) as SnapshotJournal };
  }

  it('snapshot() waits until an installed snapshot is restored', async () => {
    const { c, machine } = await withFollower();
    const applied = c.status().applied;
    let finishApply = (): void => {};
    const slow = new Promise<void>((resolve) => (finishApply = resolve));
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
    finishApply();
    expect((await runToEnd(taken)).last.index).toBeGreaterThanOrEqual(installed);
    await nodes.clock.until(() => c.status().applied === nodes.leader?.status().applied);
    expect(machine.commands).toEqual(machines.get(nodes.leader?.id ?? '')?.commands);
  });

  it('a restore succeeds even if a newer snapshot has replaced the installed one', async () => {
    const { c, machine } = await withFollower();
    let installs = 0;
    c.on('snapshotInstalled', () => (installs += 1));
    let startReading = (): void => {};
    const prepared = new Promise<void>((resolve) => (startReading = resolve));
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
    startReading();
    await nodes.clock.until(() => c.status().applied === nodes.leader?.status().applied);
    expect(machine.commands).toEqual(machines.get(nodes.leader?.id ?? '')?.commands);
  });

  it('close aborts a restore, and the next start restores again', async () => {
    const leader = await leaderWithoutC();
    const c = await open('c', policy);
    const machine = machines.get('c') as SnapshotJournal;
    let started = false;
    let startReading = (): void => {};
    const prepared = new Promise<void>((resolve) => (startReading = resolve));
    let code: unknown;
    machine.restore = async (chunks) => {
      started = true;
      await prepared;
      await SnapshotJournal.prototype.restore.call(machine, chunks).catch((error: KontikiError) => {
        code = error.code;
        throw error;
      });
    };
    await nodes.clock.until(() => started);
    const closed = c.close(atOnce);
    startReading();
    await runToEnd(closed);
    expect([code, machine.commands.length]).toEqual(['KONTIKI_CLOSED', 3]);
    const again = await open('c', policy);
    await nodes.clock.until(() => again.status().applied === leader.status().applied);
    expect(machines.get('c')?.commands).toEqual(machines.get(leader.id)?.commands);
  });

  it('a leader keeps the entries that a follower needs for at most two snapshots', async () => {
    const { c } = await withFollower();
    const held = c.status().last;
    const leader = nodes.leader as RaftNode<number>;
    await leader.snapshot();
    const first = leader.status().applied;
    nodes.network.isolate(c.id);
    await write(5);
    await runToEnd(leader.snapshot());
    expect(leader.status().base).toBeLessThanOrEqual(Math.max(held, first));
    await write(5);
    await runToEnd(leader.snapshot());
    expect(leader.status().base).toBe(leader.status().applied - 5);
  });

  it('a snapshot being sent is kept while newer snapshots are taken', async () => {
    const leader = await leaderWithoutC();
    const store = stores.get(leader.id) as MemorySnapshots;
    const [sent] = await store.list();
    let sending = false;
    leader.on('snapshotSending', () => (sending = true));
    await open('c', { ...policy, transport: transportWithoutChunks() });
    await nodes.clock.until(() => sending);
    await write(40);
    const held = (await store.list()).map(({ id }) => id);
    expect(held).toContain(sent?.id);
    expect(held).toHaveLength(2);
  });

  /** Returns a transport that drops every snapshot chunk it receives. */
  function transportWithoutChunks(): Transport {
    const transport = nodes.network.transport();
    const start = transport.start.bind(transport);
    transport.start = (self, receive) =>
      start(self, (from, message) => {
        if (message.kind !== 'snapshotChunk') receive(from, message);
      });
    return transport;
  }

  it('a follower installs a snapshot even if it cannot remove the previous snapshot', async () => {
    const { c } = await withFollower();
    const store = stores.get(c.id) as MemorySnapshots;
    await runToEnd(c.snapshot());
    store.remove = () => Promise.reject(new KontikiError('KONTIKI_STORE_FAILED', 'it stays'));
    nodes.network.isolate(c.id);
    await write(60);
    nodes.network.heal();
    await nodes.clock.until(() => c.status().base > 50);
    await write(1);
    await nodes.clock.until(() => c.status().applied === nodes.leader?.status().applied);
  });

  it('a proposal covered by an installed snapshot has an unknown outcome', async () => {
    const old = await cluster(['a', 'b', 'c'], policy);
    await write(3);
    nodes.network.isolate(old.id);
    const lost = old.propose(bytes('lost'), { timeout: 60_000 });
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.leader !== old);
    nodes.nodes.delete(old.id);
    await nodes.clock.until(() => nodes.leader?.isLeader === true);
    await write(40);
    nodes.network.heal();
    await expect(runToEnd(lost)).rejects.toMatchObject({ code: 'KONTIKI_UNKNOWN_OUTCOME' });
    await nodes.clock.until(() => old.status().applied === nodes.leader?.status().applied);
    expect(machines.get(old.id)?.commands).not.toContain('lost');
    await old.close(atOnce);
  });
});
