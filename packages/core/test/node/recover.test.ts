// Shows what recoverServer keeps and refuses, and that servers of different epochs never exchange a
// message. Each cluster loses its majority when its nodes are closed.
import {
  inspectServer,
  MemoryLog,
  MemorySnapshots,
  membershipOf,
  recoverServer,
  type Entry,
  type LogStore,
  type Membership,
  type RaftNode,
  type RecoverOptions,
  type Recovery,
  type Transport,
} from '@kontiki/core';
import { LEVEL } from '@kontiki/core/protocol';
import { encodeSnapshot } from '@kontiki/core/wire';
import { describe, expect, it } from 'vitest';
import { atOnce, bytes, outcome, runToOutcome } from './harness.js';
import { cluster, machines, nodes, open, runToEnd, stores, write } from './snapshot-harness.js';

const EPOCH = /^[0-9a-f]{32}$/;
const owner = (server: string): { cluster: string; server: string } => ({ cluster: 'test', server });
const logOf = (id: string): LogStore => nodes.logs.get(id) as LogStore;

function recover(id: string, options: Partial<RecoverOptions> = {}): Promise<Recovery> {
  return recoverServer(logOf(id), { ...owner(id), snapshots: stores.get(id), ...options });
}

/**
 * Starts three servers, writes commands, and closes all servers. Resolves with the id of the last
 * leader.
 */
async function loseMajority(count = 5): Promise<string> {
  const { id } = await cluster(['a', 'b', 'c']);
  await write(count);
  await closeAll();
  return id;
}

async function closeAll(): Promise<void> {
  for (const node of nodes.nodes.values()) await runToEnd(node.close(atOnce));
}

async function openLeader(id: string): Promise<RaftNode<number>> {
  const node = await open(id);
  await nodes.clock.until(() => node.isLeader);
  return node;
}

/** Returns a transport that records the servers from which it receives messages. */
function recorded(senders: string[]): Transport {
  const transport = nodes.network.transport();
  return {
    start: (self, receive) =>
      transport.start(self, (from, message) => {
        senders.push(from);
        receive(from, message);
      }),
    send: (to, messages) => transport.send(to, messages),
    setPeers: (peers) => transport.setPeers(peers),
    close: () => transport.close(),
  };
}

const members = (...ids: string[]): Membership =>
  membershipOf(ids.map((id) => [id, { address: `memory:${id}`, metadata: '' }]));

/** Fills server `a`'s log with entries that start with a given membership. */
async function fill(first: Membership, terms: readonly number[] = [1, 1]): Promise<void> {
  const log = new MemoryLog();
  nodes.logs.set('a', log);
  await log.open(owner('a'));
  const entries = terms.map((term, i): Entry => {
    if (i === 0) return { kind: 'membership', index: 1, term, membership: first };
    return { kind: 'command', index: i + 1, term, data: bytes(`x${i}`) };
  });
  await log.append({ ballot: { term: 3, votedFor: 'b' }, life: { id: 7, starts: 2 }, entries, committed: 1 });
  await log.close();
}

describe('recoverServer', () => {
  it('recoverServer keeps every entry, and new servers can join the recovered one', async () => {
    const survivor = await loseMajority();
    const before = await inspectServer(logOf(survivor), owner(survivor));
    const { epoch, index, term } = await recover(survivor);
    expect(epoch).toMatch(EPOCH);
    expect([index, term]).toEqual([before.last.index + 1, (before.ballot?.term ?? 0) + 1]);
    const leader = await openLeader(survivor);
    await write(1, 'y');
    expect(leader.status().membership).toMatchObject({
      level: LEVEL,
      revision: 1,
      founded: true,
      epoch,
      voters: [survivor],
      learners: [],
    });
    for (const id of ['d', 'e']) {
      await open(id);
      expect(await runToOutcome(nodes, leader.members.addVoter(id, `memory:${id}`))).toMatchObject({ epoch });
    }
    await leader.close(atOnce);
    nodes.nodes.delete(survivor);
    await nodes.clock.until(() => nodes.leader !== undefined);
    await write(1, 'z');
    for (const id of ['d', 'e']) {
      await nodes.clock.until(() => machines.get(id)?.commands.length === 7);
      expect(machines.get(id)?.commands).toEqual(['x0', 'x1', 'x2', 'x3', 'x4', 'y0', 'z0']);
    }
  });

  it('a new server that restarts while it receives the old entries is still accepted', async () => {
    const survivor = await loseMajority();
    const { epoch } = await recover(survivor);
    const old = logOf(survivor);
    await old.open(owner(survivor));
    const entries = await old.read(1, 3, 1e6);
    await old.close();
    const log = new MemoryLog();
    await log.open(owner('d'));
    await log.append({ entries, committed: 3 });
    await log.close();
    nodes.logs.set('d', log);
    const leader = await openLeader(survivor);
    await open('d');
    expect(await runToOutcome(nodes, leader.members.addVoter('d', 'memory:d'))).toMatchObject({ epoch });
  });

  it('a server that was left behind exchanges no messages with the recovered one', async () => {
    const survivor = await loseMajority();
    await recover(survivor);
    const [other] = ['a', 'b', 'c'].filter((id) => id !== survivor) as [string];
    const [heard, heardByOther]: string[][] = [[], []];
    const leader = await open(survivor, { transport: recorded(heard!) });
    await nodes.clock.until(() => leader.isLeader);
    const { term } = leader.status();
    await open(other, { transport: recorded(heardByOther!) });
    await nodes.clock.elapse(5_000);
    // An operator adds the old server without emptying its disk.
    await runToOutcome(nodes, leader.members.addLearner(other, `memory:${other}`, { timeout: 1_000 }));
    await nodes.clock.elapse(5_000);
    expect([heard, heardByOther]).toEqual([[], []]);
    expect([leader.isLeader, leader.status().term]).toEqual([true, term]);
    expect(nodes.get(other).leader).toBe(undefined);
  });

  it('two servers that were recovered separately exchange no messages', async () => {
    await loseMajority();
    const epochs = [await recover('a'), await recover('b')].map(({ epoch }) => epoch);
    expect(new Set(epochs).size).toBe(2);
    const [heardByA, heardByB]: string[][] = [[], []];
    const a = await open('a', { transport: recorded(heardByA!) });
    const b = await open('b', { transport: recorded(heardByB!) });
    await nodes.clock.until(() => a.isLeader && b.isLeader);
    await runToOutcome(nodes, a.members.addLearner('b', 'memory:b', { timeout: 1_000 }));
    await nodes.clock.elapse(5_000);
    expect([heardByA, heardByB]).toEqual([[], []]);
    expect(b.status().membership).toMatchObject({ voters: ['b'], epoch: epochs[1] });
  });

  it('two halves of a cluster without a majority never serve in the same epoch', async () => {
    await cluster(['a', 'b', 'c', 'd', 'e']);
    await write(3);
    await closeAll();
    nodes.nodes.clear();
    const halves = [
      ['a', 'f', 'g'],
      ['d', 'h', 'i'],
    ] as const;
    const serving = new Map<string, Set<string>>();
    const observe = (): void => {
      for (const node of nodes.nodes.values()) {
        const { membership } = node.status();
        if (!node.isLeader || membership === undefined) continue;
        const half = halves.findIndex((ids) => (ids as readonly string[]).includes(node.id));
        serving.set(membership.epoch, (serving.get(membership.epoch) ?? new Set()).add(`${half}`));
      }
    };
    for (const [survivor] of halves) await recover(survivor);
    for (const [survivor, ...others] of halves) {
      const leader = await openLeader(survivor);
      for (const id of others) {
        await open(id);
        await runToOutcome(nodes, leader.members.addVoter(id, `memory:${id}`));
        observe();
      }
    }
    // Each half adds a server of the other half as a learner, then loses its first leader.
    for (const [survivor, other] of [
      ['a', 'h'],
      ['d', 'f'],
    ] as const) {
      await runToOutcome(nodes, nodes.get(survivor).members.addLearner(other, `memory:${other}`));
      await nodes.get(survivor).close(atOnce);
      nodes.nodes.delete(survivor);
    }
    // The other servers of the old cluster restart with their old disks.
    for (const id of ['b', 'c', 'e']) await open(id);
    for (let i = 0; i < 100; i += 1) {
      await nodes.clock.elapse(50);
      observe();
    }
    for (const [, first, second] of halves) {
      const leader = [first, second].map((id) => nodes.get(id)).find(({ isLeader }) => isLeader);
      expect(await runToOutcome(nodes, leader!.propose(bytes(first)))).toMatchObject({ result: 4 });
      expect(machines.get(leader!.id)?.commands.slice(0, 3)).toEqual(['x0', 'x1', 'x2']);
    }
    // The servers `b`, `c` and `e` are a majority of the old cluster, so they serve in its epoch.
    // The guide warns of this.
    const served = [...serving].map(([epoch, by]) => `${epoch === '' ? 'old' : 'new'}: ${[...by].join()}`);
    expect(served).toHaveLength(3);
    expect(new Set(served)).toEqual(new Set(['new: 0', 'new: 1', 'old: -1']));
  });

  it('recoverServer raises a log of level 0 to the highest level', async () => {
    await fill({ ...members('a', 'b', 'c'), level: 0 });
    await recover('a');
    const { membership } = await inspectServer(logOf('a'), owner('a'));
    expect(membership?.membership).toMatchObject({ level: LEVEL, epoch: expect.stringMatching(EPOCH) });
  });

  it('recoverServer takes a new address, and keeps the old one by default', async () => {
    const survivor = await loseMajority();
    await recover(survivor);
    const infoOf = async (): Promise<unknown> =>
      (await inspectServer(logOf(survivor), owner(survivor))).membership?.membership.servers.get(survivor);
    expect(await infoOf()).toMatchObject({ address: `memory:${survivor}`, metadata: `http://${survivor}` });
    await recover(survivor, { force: true, address: 'memory:new' });
    expect(await infoOf()).toMatchObject({ address: 'memory:new', metadata: `http://${survivor}` });
  });

  it('recoverServer refuses a server that is already recovered, unless forced', async () => {
    const survivor = await loseMajority();
    const first = await recover(survivor);
    expect(await outcome(recover(survivor))).toBe('KONTIKI_BAD_CHANGE');
    const second = await recover(survivor, { force: true });
    expect(second.epoch).not.toBe(first.epoch);
    expect([second.index, second.term]).toEqual([first.index + 1, first.term + 1]);
  });

  const four = members('a', 'b', 'c', 'd');
  it.each([
    ['a learner', { ...four, voters: ['b', 'c', 'd'], learners: ['a'] }, 'is no voter'],
    ['a removed server', members('b', 'c'), 'is no voter'],
    ['the only voter', members('a'), 'is the only voter'],
  ])('recoverServer refuses %s, unless forced', async (_, membership, text) => {
    await fill(membership);
    const address = 'memory:a';
    await expect(recover('a', { address })).rejects.toMatchObject({
      code: 'KONTIKI_BAD_CHANGE',
      message: expect.stringContaining(text),
    });
    expect((await inspectServer(logOf('a'), owner('a'))).last.index).toBe(2);
    expect(await recover('a', { address, force: true })).toMatchObject({ index: 3, term: 4 });
  });

  it('recoverServer accepts an outgoing voter of a joint membership', async () => {
    await fill({ ...four, voters: ['b', 'c', 'd'], outgoing: ['a', 'b'] });
    await recover('a');
    const { membership } = await inspectServer(logOf('a'), owner('a'));
    expect(membership?.membership).toMatchObject({ voters: ['a'], outgoing: [] });
  });

  it('recoverServer refuses blank, foreign and open logs, and invalid options', async () => {
    nodes.logs.set('d', new MemoryLog());
    await expect(recover('d')).rejects.toMatchObject({
      code: 'KONTIKI_LOST_DATA',
      message: expect.stringContaining('is blank'),
    });
    await fill(members('a', 'b'));
    expect(await outcome(recoverServer(logOf('a'), owner('b')))).toBe('KONTIKI_FOREIGN_DATA');
    expect(await outcome(recover('a', { cluster: 'other' }))).toBe('KONTIKI_FOREIGN_DATA');
    expect(await outcome(recover('a', { address: ' ' }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(recover('a', { addres: 'x' } as never))).toBe('KONTIKI_BAD_OPTION');
    await logOf('a').open(owner('a'));
    expect(await outcome(recover('a'))).toBe('KONTIKI_LOCKED');
    expect((await logOf('a').read(1, 9, 1e6)).length).toBe(2);
    await logOf('a').close();
  });

  it('recoverServer needs an address if the membership does not name the server', async () => {
    await fill(members('b', 'c'));
    await expect(recover('a', { force: true })).rejects.toMatchObject({
      code: 'KONTIKI_BAD_OPTION',
      message: expect.stringContaining('address is missing'),
    });
  });

  it('an aborted recovery leaves the log unchanged', async () => {
    await fill(members('a', 'b'));
    expect(await outcome(recover('a', { signal: AbortSignal.abort() }))).toBe('KONTIKI_ABORTED');
    expect((await inspectServer(logOf('a'), owner('a'))).last.index).toBe(2);
  });
});

/**
 * Writes snapshots of server `a` to a store and returns the store. The snapshots at the given
 * indices are damaged.
 */
async function snapshotsOfA(
  positions: readonly { index: number; term: number }[],
  damaged: readonly number[] = [],
): Promise<void> {
  class Damaged extends MemorySnapshots {
    override async *read(id: string, offset?: number): AsyncGenerator<Uint8Array, void> {
      const isDamaged = damaged.includes(Number(id));
      for await (const piece of super.read(id, offset)) yield isDamaged ? piece.map((byte) => byte ^ 1) : piece;
    }
  }
  const store = new Damaged();
  stores.set('a', store);
  await store.open(owner('a'));
  for (const last of positions) {
    const id = `${last.index}`.padStart(32, '0');
    const membership = { index: 1, membership: members('a', 'b') };
    const meta = { id, cluster: 'test', last, membership, genesis: 7, version: 0 };
    const writer = await store.create(meta);
    const state = (async function* (): AsyncGenerator<Uint8Array, void> {
      yield bytes('1\n');
      yield bytes(`s${last.index}\n`);
    })();
    for await (const piece of encodeSnapshot(meta, state)) await writer.write(piece);
    await writer.finish();
  }
  await store.close();
}

describe('recovery with snapshots', () => {
  it('recoverServer finishes an interrupted install before it writes', async () => {
    await fill(members('a', 'b'), [1, 1, 1, 1]);
    await snapshotsOfA([{ index: 3, term: 2 }]);
    expect(await recover('a')).toMatchObject({ index: 4, term: 4 });
    const leader = await openLeader('a');
    expect(leader.status()).toMatchObject({ base: 3, term: 5 });
    expect(machines.get('a')?.commands).toEqual(['s3']);
  });

  it('recoverServer keeps the entries after a snapshot', async () => {
    await fill(members('a', 'b'), [1, 1, 1, 2]);
    await snapshotsOfA([{ index: 3, term: 1 }]);
    expect(await recover('a')).toMatchObject({ index: 5, term: 4 });
    await openLeader('a');
    expect(machines.get('a')?.commands).toEqual(['s3', 'x3']);
  });

  it('recoverServer refuses a log without the snapshot it begins with, unless forced', async () => {
    await fill(members('a', 'b'), [1, 1, 1, 2]);
    await snapshotsOfA([{ index: 3, term: 1 }], [3]);
    const log = logOf('a');
    await log.open(owner('a'));
    await log.compact({ index: 2, term: 1, membership: { index: 1, membership: members('a', 'b') }, genesis: 7 });
    await log.close();
    for (const options of [{}, { snapshots: undefined }]) {
      await expect(recover('a', options)).rejects.toMatchObject({
        code: 'KONTIKI_LOST_DATA',
        message: expect.stringContaining('begins after entry 2'),
      });
    }
    expect(await recover('a', { force: true })).toMatchObject({ index: 5 });
  });

  it('inspectServer reports position, membership and snapshots, and changes nothing', async () => {
    await fill(members('a', 'b'), [1, 1, 1, 2]);
    await snapshotsOfA(
      [
        { index: 2, term: 1 },
        { index: 3, term: 1 },
      ],
      [3],
    );
    const inspect = (): Promise<unknown> => inspectServer(logOf('a'), { ...owner('a'), snapshots: stores.get('a') });
    const contents = {
      ballot: { term: 3, votedFor: 'b' },
      last: { index: 4, term: 2 },
      committed: 2,
      membership: { index: 1, membership: members('a', 'b') },
      store: 7,
      snapshot: { last: { index: 2, term: 1 } },
      damaged: ['3'.padStart(32, '0')],
    };
    expect(await inspect()).toMatchObject(contents);
    expect(await inspect()).toMatchObject(contents);
    const { epoch } = await recover('a');
    expect(await inspect()).toMatchObject({ last: { index: 5, term: 4 }, membership: { membership: { epoch } } });
  });

  it('inspectServer counts a snapshot whose install was interrupted', async () => {
    await fill(members('a', 'b'), [1, 1]);
    await snapshotsOfA([{ index: 9, term: 3 }]);
    const contents = await inspectServer(logOf('a'), { ...owner('a'), snapshots: stores.get('a') });
    expect(contents).toMatchObject({ last: { index: 9, term: 3 }, committed: 9 });
  });

  it('inspectServer reports a blank server', async () => {
    const contents = await inspectServer(new MemoryLog(), owner('a'));
    expect(contents).toMatchObject({ last: { index: 0, term: 0 }, membership: undefined, snapshot: undefined });
  });
});
