import { afterEach, describe, expect, it } from 'vitest';
import {
  bootstrap,
  createClusterId,
  isKontikiError,
  KontikiError,
  MemoryLog,
  MemoryNetwork,
  NotLeaderError,
  RaftNode,
  type ApplyBatch,
  type Logger,
  type RoleName,
} from '@kontiki/core';
import { bytes, GatedLog, Journal, Nodes, SuspendableProcess } from './harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

/** How a promise ended: its value, or its error's code. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return isKontikiError(error) ? error.code : error;
  }
}

/** Lets virtual time pass until a promise has ended. */
async function ended(promise: Promise<unknown>): Promise<unknown> {
  let done = false;
  const result = outcome(promise).finally(() => (done = true));
  await nodes.clock.until(() => done);
  return result;
}

describe('a cluster of nodes', () => {
  it('replicates commands and gives each caller its own result', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const results = Promise.all(['x', 'y', 'z'].map((command) => leader.propose(bytes(command))));
    await nodes.clock.elapse(20);
    expect((await results).map(({ result }) => result)).toEqual([1, 2, 3]);
    for (const id of ['a', 'b', 'c']) expect(nodes.machine(id).commands).toEqual(['x', 'y', 'z']);
  });

  it('a proposal’s latency does not depend on the heartbeat', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    for (const node of nodes.nodes.values()) node.setTimings({ heartbeat: 5_000, election: 20_000 });
    const before = nodes.clock.now();
    await ended(leader.propose(bytes('x')));
    expect(nodes.clock.now() - before).toBeLessThanOrEqual(5);
    expect(nodes.machine('a').commands.length + nodes.machine('b').commands.length).toBeGreaterThan(0);
  });

  it('what waits becomes one batch: one write, one frame a peer', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const log = nodes.logs.get(leader.id) as MemoryLog;
    let writes = 0;
    const append = log.append.bind(log);
    log.append = (write) => {
      writes += 1;
      return append(write);
    };
    const results = Promise.all(Array.from({ length: 100 }, (_, i) => leader.propose(bytes(`${i}`))));
    await nodes.clock.elapse(20);
    expect((await results).map(({ index }) => index)).toEqual(Array.from({ length: 100 }, (_, i) => i + 3));
    expect(writes).toBe(1);
  });

  it('survives the loss of its leader, and the restarted one catches up from its own log', async () => {
    await nodes.cluster('a', 'b', 'c');
    const first = nodes.leader as RaftNode<number>;
    await ended(first.propose(bytes('x')));
    await first.close();
    nodes.nodes.delete(first.id);
    await nodes.clock.until(() => nodes.leader !== undefined);
    await ended((nodes.leader as RaftNode<number>).propose(bytes('y')));
    await nodes.open(first.id);
    await nodes.clock.until(() => nodes.machine(first.id).commands.length === 2);
    expect(nodes.machine(first.id).commands).toEqual(['x', 'y']);
  });

  it('a single node commits on its own sync', async () => {
    await nodes.cluster('a');
    expect(await ended(nodes.get('a').propose(bytes('x')))).toMatchObject({ result: 1 });
    expect(nodes.machine('a').commands).toEqual(['x']);
  });

  it('reads are linearizable at leader and follower, local ones at once', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const follower = nodes.followers[0] as RaftNode<number>;
    const write = leader.propose(bytes('x'));
    await nodes.clock.until(() => nodes.machine(leader.id).commands.length === 1);
    await write;
    const count = (id: string) => (): number => nodes.machine(id).commands.length;
    expect(await ended(follower.read(count(follower.id)))).toBe(1);
    expect(await ended(leader.read(count(leader.id)))).toBe(1);
    expect(await follower.read(count(follower.id), { consistency: 'local' })).toBe(1);
    expect(
      await outcome(
        leader.read(
          () => {
            throw new RangeError('mine');
          },
          { consistency: 'local' },
        ),
      ),
    ).toBeInstanceOf(RangeError);
  });

  it('a follower’s read waits until the follower itself has applied what the leader named (row 63)', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    let release = (): void => {};
    const slow = new (class extends Journal {
      gate: Promise<void> = Promise.resolve();
      override apply(batch: ApplyBatch): never {
        return this.gate.then(() => super.apply(batch)) as never;
      }
    })();
    await nodes.open('a');
    await nodes.open('b');
    await nodes.open('c', { machine: slow });
    await nodes.clock.until(
      () => nodes.leader !== undefined && nodes.leader.id !== 'c' && nodes.get('c').status().applied > 1,
    );
    slow.gate = new Promise((resolve) => (release = resolve));
    await ended((nodes.leader as RaftNode<number>).propose(bytes('x')));
    let served = false;
    const read = nodes.get('c').read(() => {
      served = true;
      return slow.commands.length;
    });
    const local = nodes.get('c').read(() => slow.commands.length, { consistency: 'local' });
    await nodes.clock.elapse(500);
    expect(served).toBe(false);
    release();
    expect(await ended(read)).toBe(1);
    expect(await ended(local)).toBe(1);
  });

  it('tells state, leader, term, commit and apply, on every node (go-raft C9), and outside the step (L10)', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const told = new Map<string, unknown[]>();
    for (const id of ['a', 'b', 'c']) {
      const node = await nodes.open(id);
      const list: unknown[] = [];
      told.set(id, list);
      node.on('leader', ({ leader, term }) => list.push([leader?.id, leader?.metadata, term, node.status().term]));
      node.on('term', ({ term, previous }) => list.push(['term', previous, term]));
      node.on('state', ({ role }) => list.push(role satisfies RoleName));
      node.on('apply', ({ index }) => list.push(['apply', index]));
      node.on('commit', () => {
        throw new Error('a listener may throw');
      });
    }
    await nodes.clock.until(() => nodes.leader !== undefined);
    await nodes.clock.elapse(100);
    const id = nodes.leader?.id as string;
    for (const [node, list] of told) {
      expect(list).toContainEqual([id, `http://${id}`, 2, 2]);
      expect(list).toContainEqual(['term', 1, 2]);
      expect(list).toContainEqual(['apply', 2]);
      if (node === id)
        expect(list.filter((e) => typeof e === 'string')).toEqual(['preCandidate', 'candidate', 'leader']);
    }
    const off = nodes.get('a').on('term', () => told.get('a')?.push('heard'));
    off();
    expect(told.get('a')).not.toContain('heard');
  });

  it('is not disturbed by a process that was suspended: it lets arrivals in before it judges the time', async () => {
    await nodes.cluster('a', 'b', 'c');
    const { term } = (nodes.leader as RaftNode<number>).status();
    nodes.clock.suspend(3_000); // All of them at once: every timer is late.
    await nodes.clock.elapse(2_000);
    expect(nodes.leader?.status().term).toBe(term);
  });

  it('lets what arrived meanwhile in before it campaigns, however often it is suspended', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const process = new SuspendableProcess(nodes.clock);
    await nodes.open('a');
    await nodes.open('b');
    await nodes.open('c', { clock: process, transport: process.holding(nodes.network.transport()) });
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.get('c').status().leader !== undefined);
    const states: RoleName[] = [];
    nodes.get('c').on('state', ({ role }) => states.push(role));
    const { term } = (nodes.leader as RaftNode<number>).status();
    if (nodes.leader?.id === 'c') return;
    for (let i = 0; i < 5; i += 1) {
      process.suspend();
      await nodes.clock.elapse(3_000);
      process.resume();
      await nodes.clock.settle();
    }
    await nodes.clock.elapse(1_000);
    expect(states).toEqual([]);
    expect(nodes.leader?.status().term).toBe(term);
  });

  it('status tells what an operator asks', async () => {
    await nodes.cluster('a', 'b', 'c');
    await nodes.clock.elapse(200);
    const status = (nodes.leader as RaftNode<number>).status();
    expect(status).toMatchObject({
      role: 'leader',
      term: 2,
      committed: 2,
      applied: 2,
      last: 2,
      durable: 2,
      full: false,
    });
    expect(status.peers).toHaveLength(2);
    for (const peer of status.peers)
      expect(peer).toMatchObject({ state: 'replicate', match: 2, next: 3, inFlight: 0, lost: false });
  });

  it('memory stays within its limits while a follower is away, which then catches up from the store', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const limits = { tailBytes: 2_000, messageBytes: 500 };
    for (const id of ['a', 'b', 'c']) await nodes.open(id, { limits });
    await nodes.clock.until(() => nodes.leader !== undefined);
    const leader = nodes.leader as RaftNode<number>;
    const away = nodes.followers[0]?.id as string;
    nodes.network.isolate(away);
    for (let i = 0; i < 50; i += 1) await ended(leader.propose(bytes(`${i}`.padStart(100))));
    expect(leader.status().heldBytes).toBeLessThanOrEqual(2_000);
    nodes.network.heal();
    await nodes.clock.until(() => nodes.machine(away).commands.length === 50);
    expect(nodes.machine(away).commands).toEqual(nodes.machine(leader.id).commands);
  });
});

describe('every way a proposal can end', () => {
  it('refused: not the leader, with the leader’s id, address and metadata', async () => {
    await nodes.cluster('a', 'b', 'c');
    await nodes.clock.elapse(100);
    const leader = (nodes.leader as RaftNode<number>).id;
    const error = await (nodes.followers[0] as RaftNode<number>).propose(bytes('x')).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NotLeaderError);
    expect((error as NotLeaderError).leader).toEqual({
      id: leader,
      address: `memory:${leader}`,
      metadata: `http://${leader}`,
    });
  });

  it('refused: no leader is known', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    await nodes.open('a');
    const error = (await nodes
      .get('a')
      .propose(bytes('x'))
      .catch((e: unknown) => e)) as NotLeaderError;
    expect(error.leader).toBe(undefined);
  });

  it('refused: too large, no bytes, a bad timeout, aborted before it began, overloaded', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    for (const id of ['a', 'b', 'c'])
      await nodes.open(id, { maxCommandBytes: 2_000, limits: { uncommittedBytes: 3_000 } });
    await nodes.clock.until(() => nodes.leader !== undefined);
    const leader = nodes.leader as RaftNode<number>;
    expect(await outcome(leader.propose(new Uint8Array(2_001)))).toBe('KONTIKI_TOO_LARGE');
    expect(await outcome(leader.propose('x' as never))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(leader.propose(bytes('x'), { timeout: -1 }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(leader.propose(bytes('x'), { signal: AbortSignal.abort() }))).toBe('KONTIKI_ABORTED');
    nodes.network.isolate(leader.id);
    const waiting = leader.propose(new Uint8Array(2_000));
    expect(await outcome(leader.propose(new Uint8Array(2_000)))).toBe('KONTIKI_OVERLOADED');
    await nodes.clock.elapse(10);
    expect(await outcome(leader.propose(new Uint8Array(2_000)))).toBe('KONTIKI_OVERLOADED');
    nodes.network.heal();
    expect(await ended(waiting)).toMatchObject({ result: 1 });
  });

  it('refused: another entry was committed at its index', async () => {
    await nodes.cluster('a', 'b', 'c');
    const old = nodes.leader as RaftNode<number>;
    nodes.network.isolate(old.id);
    const lost = old.propose(bytes('lost'));
    await nodes.clock.until(() => nodes.leader !== old);
    await ended((nodes.leader as RaftNode<number>).propose(bytes('won')));
    nodes.network.heal();
    expect(await ended(lost)).toBe('KONTIKI_REPLACED');
    expect(nodes.machine(old.id).commands).toEqual(['won']);
  });

  it('done: although its leader was deposed meanwhile, the next one committed it', async () => {
    await nodes.cluster('a', 'b', 'c');
    await nodes.clock.elapse(100);
    const old = nodes.leader as RaftNode<number>;
    const others = [...nodes.nodes.keys()].filter((id) => id !== old.id);
    for (const id of others) nodes.network.cut(id, old.id); // It reaches them and hears nothing back.
    const result = old.propose(bytes('x'));
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.leader !== old);
    nodes.network.heal();
    expect(await ended(result)).toMatchObject({ index: 3, term: 2, result: 1 });
  });

  it('unknown: its deadline passed, its caller gave up, or the node closed, after it was appended', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    nodes.network.isolate(leader.id);
    const controller = new AbortController();
    const late = leader.propose(bytes('1'), { timeout: 100 });
    const aborted = leader.propose(bytes('2'), { signal: controller.signal });
    const closed = leader.propose(bytes('3'));
    await nodes.clock.elapse(10);
    controller.abort(new Error('enough'));
    const why = (promise: Promise<unknown>): Promise<unknown> =>
      promise.catch((error: KontikiError) => [error.code, (error.cause as KontikiError).code]);
    expect(await why(aborted)).toEqual(['KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_ABORTED']);
    const lateEnd = why(late);
    await nodes.clock.elapse(200);
    expect(await lateEnd).toEqual(['KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_TIMEOUT']);
    const closedEnd = why(closed);
    await leader.close();
    expect(await closedEnd).toEqual(['KONTIKI_UNKNOWN_OUTCOME', 'KONTIKI_CLOSED']);
  });

  it('refused: given up or closed before it was appended; and everything after the end', async () => {
    await nodes.cluster('a');
    const node = nodes.get('a');
    const controller = new AbortController();
    const aborted = outcome(node.propose(bytes('1'), { signal: controller.signal }));
    controller.abort();
    const closed = outcome(node.propose(bytes('2')));
    await node.close();
    await node.close();
    expect(await aborted).toBe('KONTIKI_ABORTED');
    expect(await closed).toBe('KONTIKI_CLOSED');
    expect(await outcome(node.propose(bytes('3')))).toBe('KONTIKI_CLOSED');
    expect(await outcome(node.read(() => 1))).toBe('KONTIKI_CLOSED');
    expect(node.status().role).toBe('closed');
    expect(nodes.machine('a').commands).toEqual([]);
  });

  it('none is answered before it is durable: not even in a single node', async () => {
    const log = new GatedLog();
    nodes.logs.set('a', log);
    await nodes.cluster('a');
    log.shut();
    let done = false;
    const result = nodes
      .get('a')
      .propose(bytes('x'))
      .finally(() => (done = true));
    await nodes.clock.elapse(1_000);
    expect(done).toBe(false);
    log.release();
    expect(await ended(result)).toMatchObject({ result: 1 });
  });

  it('none is answered before a majority’s disks have it: a follower acknowledges when its own has', async () => {
    const logs = new Map(['a', 'b'].map((id) => [id, new GatedLog()]));
    for (const [id, log] of logs) nodes.logs.set(id, log);
    await nodes.cluster('a', 'b');
    await nodes.clock.elapse(200);
    const follower = nodes.followers[0] as RaftNode<number>;
    logs.get(follower.id)?.shut();
    let done = false;
    const result = (nodes.leader as RaftNode<number>).propose(bytes('x')).finally(() => (done = true));
    await nodes.clock.elapse(1_000);
    expect(done).toBe(false);
    expect(follower.status()).toMatchObject({ last: 3, durable: 2 });
    logs.get(follower.id)?.release();
    expect(await ended(result)).toMatchObject({ result: 1 });
  });

  it('a read is refused when very many wait for a leader', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const alone = await nodes.open('a');
    const waiting = Array.from({ length: 65_536 }, () => outcome(alone.read(() => 1)));
    expect(await outcome(alone.read(() => 1))).toBe('KONTIKI_OVERLOADED');
    await alone.close();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['KONTIKI_CLOSED']));
  });

  it('a read is refused when very many wait for the state machine, whether confirmed or local', async () => {
    let release = (): void => {};
    const stuck = new Promise<void>((resolve) => (release = resolve));
    const log = new MemoryLog();
    await bootstrap(log, { cluster: 'test', server: 'a', members: { a: 'a' } });
    const machine = { apply: ({ entries }: ApplyBatch) => stuck.then(() => entries.map(() => 1)) };
    const { clock } = nodes;
    const transport = new MemoryNetwork({ clock }).transport();
    const node = await RaftNode.open({ id: 'a', cluster: 'test', machine, log, transport, clock });
    await nodes.clock.until(() => node.isLeader);
    const waiting = Array.from({ length: 65_535 }, () => outcome(node.read(() => 1)));
    await nodes.clock.until(() => node.status().committed > 1);
    const local = outcome(node.read(() => 1, { consistency: 'local' }));
    expect(await outcome(node.read(() => 1))).toBe('KONTIKI_OVERLOADED');
    expect(await outcome(node.read(() => 1, { consistency: 'local' }))).toBe('KONTIKI_OVERLOADED');
    release();
    expect(await ended(Promise.all([...waiting, local]).then((all) => new Set(all)))).toEqual(new Set([1]));
    expect(await ended(node.read(() => 2))).toBe(2);
    await node.close();
  });

  it('a read gives up at its deadline; a follower without a leader waits for one', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    await nodes.open('a');
    const read = nodes.get('a').read(() => 1, { timeout: 300 });
    expect(await ended(read)).toBe('KONTIKI_TIMEOUT');
    const patient = nodes.get('a').read(() => 2);
    await nodes.open('b');
    expect(await ended(patient)).toBe(2);
  });
});

describe('what stops a node', () => {
  it('a state machine that throws, or gives too few results: with the cause, its data kept', async () => {
    for (const apply of [
      (): never => {
        throw new Error('broken');
      },
      (): number[] => [1, 2, 3],
    ]) {
      nodes = new Nodes();
      await nodes.bootstrap('a');
      const node = await nodes.open('a', {
        machine: { apply: (batch) => (batch.entries.length === 0 ? [] : apply()) },
      });
      await nodes.clock.until(() => node.status().role === 'leader');
      let fatal: unknown;
      node.on('fatal', ({ error }) => (fatal = error));
      expect(await ended(node.propose(bytes('x')))).toBe('KONTIKI_UNKNOWN_OUTCOME');
      expect((fatal as KontikiError).code).toBe('KONTIKI_MACHINE_FAILED');
      expect((fatal as KontikiError).cause).toBeInstanceOf(Error);
      expect(node.status().role).toBe('failed');
      await node.close();
      const restarted = await nodes.open('a');
      await nodes.clock.until(() => nodes.machine('a').commands.length === 1);
      await restarted.close();
    }
  });

  it('a log that fails', async () => {
    await nodes.cluster('a', 'b', 'c');
    const leader = nodes.leader as RaftNode<number>;
    const log = nodes.logs.get(leader.id) as MemoryLog;
    log.append = () => Promise.reject(new KontikiError('KONTIKI_STORE_FAILED', 'no disk'));
    let fatal: unknown;
    leader.on('fatal', ({ error }) => (fatal = error));
    expect(await ended(leader.propose(bytes('x')))).toBe('KONTIKI_UNKNOWN_OUTCOME');
    expect((fatal as KontikiError).code).toBe('KONTIKI_STORE_FAILED');
    await nodes.clock.until(() => nodes.leader !== undefined && nodes.leader !== leader);
  });

  it('a log that cannot be read: none of what was asked for reaches a follower, malformed or not (row 50)', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    for (const id of ['a', 'b', 'c']) await nodes.open(id, { limits: { tailBytes: 1 } });
    await nodes.clock.until(() => nodes.leader !== undefined);
    const leader = nodes.leader as RaftNode<number>;
    const away = nodes.followers[0]?.id as string;
    nodes.network.isolate(away);
    for (const command of ['x', 'y', 'z']) await ended(leader.propose(bytes(command)));
    const log = nodes.logs.get(leader.id) as MemoryLog;
    log.read = () => Promise.reject(new KontikiError('KONTIKI_CORRUPT', 'byte 7'));
    let fatal: unknown;
    leader.on('fatal', ({ error }) => (fatal = error));
    const before = nodes.get(away).status().last;
    nodes.network.heal();
    await nodes.clock.until(() => leader.status().role === 'failed');
    expect((fatal as KontikiError).code).toBe('KONTIKI_CORRUPT');
    expect(nodes.get(away).status().last).toBe(before);
    // The next leader's log is whole.
    await nodes.clock.until(() => nodes.machine(away).commands.length === 3);
    expect(nodes.machine(away).commands).toEqual(['x', 'y', 'z']);
  });

  it('a state machine that is ahead of its log is refused, and everything is closed again', async () => {
    await nodes.bootstrap('a');
    const machine = { open: () => Promise.resolve(7), apply: () => [] };
    expect(await outcome(nodes.open('a', { machine }))).toBe('KONTIKI_LOST_DATA');
    await nodes.open('a');
  });

  it('a state machine with its own disk goes on from where it is', async () => {
    await nodes.cluster('a');
    for (const command of ['1', '2', '3']) await ended(nodes.get('a').propose(bytes(command)));
    const { applied } = nodes.get('a').status();
    await nodes.get('a').close();
    const machine = new (class extends Journal {
      open(): Promise<number> {
        return Promise.resolve(applied - 1);
      }
    })();
    await nodes.open('a', { machine });
    await nodes.clock.until(() => machine.through >= applied);
    expect(machine.commands).toEqual(['3']);
  });
});

describe('beginning a cluster', () => {
  it('bootstrap is refused on a log that is not blank, and for members that make no cluster', async () => {
    const log = new MemoryLog();
    const begin = (members: Record<string, string>, server = 'a'): Promise<unknown> =>
      outcome(bootstrap(log, { cluster: 'test', server, members }));
    expect(await begin({})).toBe('KONTIKI_BAD_OPTION');
    expect(await begin({ b: 'x' })).toBe('KONTIKI_BAD_OPTION');
    expect(await begin({ 'a b': 'x' }, 'a b')).toBe('KONTIKI_BAD_OPTION');
    expect(await begin({ a: 'x'.repeat(600) })).toBe('KONTIKI_BAD_OPTION');
    expect(await begin({ a: 'x' })).toBe(undefined);
    expect(await begin({ a: 'x' })).toBe('KONTIKI_NOT_BLANK');
  });

  it('members in another order make the same first entry', async () => {
    const origins = [];
    for (const members of [
      { a: '1', b: '2' },
      { b: '2', a: '1' },
    ]) {
      const log = new MemoryLog();
      await bootstrap(log, { cluster: 'test', server: 'a', members });
      origins.push((await log.open({ cluster: 'test', server: 'a' })).origin);
    }
    expect(origins[0]).toBeGreaterThan(0);
    expect(origins[0]).toBe(origins[1]);
  });

  it('a blank node waits for ever, and says so', async () => {
    const said: string[] = [];
    const logger: Logger = { debug() {}, info: (text) => said.push(text), warn() {}, error() {} };
    await nodes.open('a', { logger });
    await nodes.clock.elapse(10_000);
    expect(nodes.get('a').status()).toMatchObject({ role: 'follower', term: 0, last: 0 });
    expect(said.join()).toContain('blank');
  });

  it('servers that were begun with another list, or are of another cluster, do not hear each other (rows 109, design 3.15)', async () => {
    const network = new MemoryNetwork({ clock: nodes.clock });
    const begun: RaftNode[] = [];
    for (const [id, members] of [
      ['a', { a: 'a', b: 'b' }],
      ['b', { a: 'a', b: 'b', c: 'c' }],
    ] as const) {
      const log = new MemoryLog();
      await bootstrap(log, { cluster: 'test', server: id, members });
      const { clock } = nodes;
      begun.push(
        await RaftNode.open({
          id,
          cluster: 'test',
          machine: new Journal(),
          log,
          transport: network.transport(),
          clock,
        }),
      );
    }
    await nodes.clock.elapse(10_000);
    expect(begun.map((node) => node.status().role)).not.toContain('leader');
    await Promise.all(begun.map((node) => node.close()));
  });

  it('createClusterId draws a new one each time, and takes plain names only', () => {
    expect(createClusterId('billing')).toMatch(/^billing-[0-9a-f]{12}$/);
    expect(createClusterId('x')).not.toBe(createClusterId('x'));
    expect(() => createClusterId('no spaces')).toThrow(/1 to 40/);
  });

  it('options that make no sense are refused with what to do', async () => {
    expect(await outcome(nodes.open('a', { timings: { heartbeat: 100, election: 150 } }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { maxCommandBytes: 4 * 1024 * 1024 }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { limits: { messageBytes: 4 * 1024 * 1024 } }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { id: '../x' }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { cluster: '' }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { limits: { windowBytes: 0 } }))).toBe('KONTIKI_BAD_OPTION');
    expect(await outcome(nodes.open('a', { timeout: NaN }))).toBe('KONTIKI_BAD_OPTION');
  });
});
