// Shows that every call ends at its deadline or when its signal is aborted, and that invalid
// arguments are refused. Also shows that `close` ends even if another call hangs.
import { describe, expect, it, vi } from 'vitest';
import {
  bootstrap,
  MemoryLog,
  MemoryNetwork,
  moveServer,
  RaftNode,
  type ApplyBatch,
  type CallOptions,
  type MemorySnapshots,
  type NodeOptions,
} from '@kontiki/core';
import { Calls } from '../../src/node/calls/calls.js';
import { atOnce, bytes, outcome, runToOutcome } from './harness.js';
import { cluster, machines, nodes, open, runToEnd, SnapshotJournal, stores, write } from './snapshot-harness.js';

const never = new Promise<never>(() => {});

/** A journal that calls a given function before it applies a command. */
class ActingJournal extends SnapshotJournal {
  act: () => Promise<void> = async () => {};

  override apply(batch: ApplyBatch): never {
    if (batch.entries.length === 0) return super.apply(batch) as never;
    return this.act().then(() => super.apply(batch)) as never;
  }
}

function machineThat(act: () => Promise<void>): ActingJournal {
  return Object.assign(new ActingJournal(), { act });
}

describe('invalid arguments of calls', () => {
  it.each<[string, (node: RaftNode<number>) => Promise<unknown>]>([
    ['a signal that is no AbortSignal', (node) => node.read(() => 1, { signal: {} as never })],
    ['a signal of null', (node) => node.propose(bytes('x'), { signal: null as never })],
    ['options of null', (node) => node.propose(bytes('x'), null as never)],
    ['a timeout of Infinity', (node) => node.read(() => 1, { timeout: Infinity })],
    ['a timeout in a string', (node) => node.read(() => 1, { timeout: '5' as never })],
    ['a timeout of null', (node) => node.snapshot({ timeout: null as never })],
    ['a timeout of NaN', (node) => node.waitForLeader({ timeout: NaN })],
    ['a close with a timeout of 0', (node) => node.close({ timeout: 0 })],
    ['an unknown consistency', (node) => node.read(() => 1, { consistency: 'Local' as never })],
    ['a read without a function', (node) => node.read('x' as never)],
    ['an asynchronous read', (node) => node.read(async () => 1)],
    [
      'an asynchronous local read that fails',
      (node) => node.read(() => Promise.reject(new Error('x')), { consistency: 'local' }),
    ],
    ['an unknown event', (node) => node.once('leadr' as never)],
    [
      'setTransport with an invalid signal',
      (node) => node.setTransport(nodes.network.transport(), { signal: 1 as never }),
    ],
    ['a misspelled option of propose', (node) => node.propose(bytes('x'), { timeoutMs: 1 } as object)],
    ['a misspelled option of read', (node) => node.read(() => 1, { consistent: true } as object)],
    ['a misspelled option of snapshot', (node) => node.snapshot({ timeoutMs: 1 } as object)],
    ['a misspelled option of waitForLeader', (node) => node.waitForLeader({ timeoutMs: 1 } as object)],
    ['a misspelled option of once', (node) => node.once('leader', { timeoutMs: 1 } as object)],
    ['a misspelled option of close', (node) => node.close({ timeoutMs: 1 } as object)],
    [
      'a misspelled option of setTransport',
      (node) => node.setTransport(nodes.network.transport(), { timeoutMs: 1 } as object),
    ],
    [
      'a misspelled option of bootstrap',
      () =>
        bootstrap(new MemoryLog(), { cluster: 'test', server: 'a', members: { a: 'memory:a' }, member: {} } as never),
    ],
    ['a misspelled option of moveServer', () => moveServer({ where: 'there', form: {} } as never)],
  ])('%s rejects with KONTIKI_BAD_OPTION', async (_, call) => {
    const node = await cluster(['a']);
    expect(await runToOutcome(nodes, call(node))).toBe('KONTIKI_BAD_OPTION');
    // Advance the time, to check that the rejected call causes no later rejection.
    await nodes.clock.elapse(20_000);
  });

  it.each<[string, (node: RaftNode<number>) => void, RegExp]>([
    ['an unknown event', (node) => node.on('leadr' as never, () => {}), /no event "leadr".*leader/],
    ['a listener that is no function', (node) => node.on('leader', 1 as never), /must be a function, not 1/],
    [
      'a misspelled option of a listener',
      (node) => node.on('leader', () => {}, { once: true } as object),
      /options.once/,
    ],
    ['timings in strings', (node) => node.setTimings({ heartbeat: '50' as never }), /heartbeat.*not "50"/],
  ])('%s is refused at once', async (_, call, message) => {
    const node = await cluster(['a']);
    expect(() => call(node)).toThrow(
      expect.objectContaining({ code: 'KONTIKI_BAD_OPTION', message: expect.stringMatching(message) }),
    );
  });

  it.each<[string, Partial<NodeOptions<number>>, RegExp]>([
    ['an empty machine', { machine: {} as never }, /machine must have the method apply/],
    ['no machine', { machine: undefined as never }, /machine must be an object, not undefined/],
    ['a machine whose open is no function', { machine: { apply: () => [], open: 1 } as never }, /machine .*open/],
    ['a negative machine version', { machine: { apply: () => [], version: -1 } }, /machine.version/],
    ['no log', { log: undefined as never }, /log must be an object/],
    ['a folder name as log', { log: 'data/a' as never }, /log must be an object, not "data\/a"/],
    ['an empty transport', { transport: {} as never }, /transport must have the method start/],
    ['an empty snapshot store', { snapshots: {} as never }, /snapshots must have the method open/],
    ['an incomplete logger', { logger: { info() {} } as never }, /logger must have the method debug/],
    ['an infinite timeout', { timeout: Infinity }, /timeout must be a finite number/],
    ['limits of null', { limits: null as never }, /limits must be an object, not null/],
    ['a limit in a string', { limits: { tailBytes: '5' as never } }, /limits.tailBytes .* not "5"/],
    ['a policy in a string', { snapshotPolicy: { keep: '2' as never } }, /snapshotPolicy.keep .* not "2"/],
    ['a misspelled name', { timing: {} } as object, /no options.timing\. Known names: id, cluster, .*timings/],
    ['a random number', { random: 4 as never }, /random must be a function/],
  ])('open with %s names the option', async (_, options, message) => {
    await nodes.bootstrap('a');
    await expect(nodes.open('a', options)).rejects.toMatchObject({
      code: 'KONTIKI_BAD_OPTION',
      message: expect.stringMatching(message),
    });
    await open('a');
  });
});

describe('deadlines and signals', () => {
  it('completed calls leave no deadlines behind', async () => {
    const calls = new Calls(nodes.clock);
    const [added, removed] = [vi.spyOn(Map.prototype, 'set'), vi.spyOn(Map.prototype, 'delete')];
    try {
      for (let i = 0; i < 100; i += 1) calls.open<number>(86_400_000 + i * 20, undefined).resolve(i);
      expect(added).toHaveBeenCalledTimes(100);
      expect(removed).toHaveBeenCalledTimes(100);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it('snapshot awaited in an asynchronous apply rejects at its deadline', async () => {
    await nodes.bootstrap('a');
    let end: unknown;
    const machine = machineThat(async () => {
      end = await outcome(node.snapshot());
    });
    const node: RaftNode<number> = await open('a', { machine });
    await nodes.clock.until(() => node.isLeader);
    await runToOutcome(nodes, node.propose(bytes('x'), { timeout: 60_000 }));
    expect(end).toBe('KONTIKI_TIMEOUT');
    machine.act = async () => {};
    expect(await runToOutcome(nodes, node.snapshot())).toMatchObject({ last: { index: 3 } });
  });

  /**
   * Checks that a call that would wait forever ends at its deadline, and when its signal is
   * aborted.
   */
  async function expectLimits(call: (options: CallOptions) => Promise<unknown>): Promise<void> {
    const controller = new AbortController();
    const aborted = outcome(call({ signal: controller.signal }));
    const late = outcome(call({ timeout: 100 }));
    await nodes.clock.elapse(10);
    controller.abort(new Error('enough'));
    expect(await runToOutcome(nodes, aborted)).toBe('KONTIKI_ABORTED');
    expect(await runToOutcome(nodes, late)).toBe('KONTIKI_TIMEOUT');
    expect(await runToOutcome(nodes, call({ signal: AbortSignal.abort() }))).toBe('KONTIKI_ABORTED');
  }

  it('snapshot rejects at its deadline or on abort while the machine hangs', async () => {
    const a = await cluster(['a']);
    await write(2);
    (machines.get('a') as SnapshotJournal).gate = () => never;
    await expectLimits((options) => a.snapshot(options));
    expect(await runToOutcome(nodes, a.close(atOnce))).toBe('KONTIKI_TIMEOUT');
    nodes.nodes.delete('a');
  });

  it('waitForLeader and once reject at their deadline or on abort', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const a = await open('a');
    await expectLimits((options) => a.waitForLeader(options));
    await expectLimits((options) => a.once('leader', options));
  });

  it('a hung setTransport rejects at its deadline, and the next call succeeds', async () => {
    const a = await cluster(['a']);
    const closed: string[] = [];
    await expectLimits((options) => {
      const hung = nodes.network.transport();
      hung.start = () => never;
      hung.close = async () => void closed.push('closed');
      return a.setTransport(hung, options);
    });
    expect(closed.length).toBeGreaterThan(1);
    const next = new MemoryNetwork({ clock: nodes.clock }).transport();
    expect(await runToOutcome(nodes, a.setTransport(next))).toBe(undefined);
  });

  it.each(['log', 'machine', 'transport'] as const)('open with a hung %s is aborted by its signal', async (part) => {
    await nodes.bootstrap('a');
    const log = nodes.logs.get('a') as MemoryLog;
    const transport = nodes.network.transport();
    let closed = false;
    transport.close = async () => void (closed = true);
    const opens = log.open.bind(log);
    let goOn = (): void => {};
    if (part === 'log') log.open = (owner) => new Promise((resolve) => (goOn = () => resolve(opens(owner))));
    if (part === 'transport') transport.start = () => never;
    const machine = { apply: () => [], ...(part === 'machine' && { open: () => never }) };
    const controller = new AbortController();
    const { clock } = nodes;
    const options = { id: 'a', cluster: 'test', machine, log, transport, clock };
    const opening = outcome(RaftNode.open(options, { signal: controller.signal }));
    await clock.settle();
    controller.abort();
    expect(await opening).toBe('KONTIKI_ABORTED');
    goOn();
    await clock.settle();
    expect(closed).toBe(part === 'transport');
    log.open = opens;
    await open('a');
  });

  it('open, bootstrap and moveServer reject at their deadline', async () => {
    const log = new MemoryLog();
    log.open = () => never;
    const members = { a: 'memory:a' };
    const owner = { cluster: 'test', server: 'a' };
    const machine = { apply: () => [] };
    const options = { id: 'a', cluster: 'test', machine, log, transport: nodes.network.transport() };
    const ends = await Promise.all([
      outcome(bootstrap(log, { ...owner, members, timeout: 1 })),
      outcome(moveServer({ ...owner, from: { log }, to: { log: new MemoryLog() }, where: 'b', timeout: 1 })),
      outcome(RaftNode.open(options, { timeout: 1 })),
    ]);
    expect(ends).toEqual(ends.map(() => 'KONTIKI_TIMEOUT'));
  });

  it('bootstrap and moveServer aborted while a log opens write nothing and close it', async () => {
    const log = new MemoryLog();
    const opens = log.open.bind(log);
    const owner = { cluster: 'test', server: 'a' };
    const aborted = async (run: (signal: AbortSignal) => Promise<void>): Promise<unknown> => {
      const controller = new AbortController();
      let goOn = (): void => {};
      log.open = (by) => new Promise((resolve) => (goOn = () => resolve(opens(by))));
      const end = outcome(run(controller.signal));
      await nodes.clock.settle();
      controller.abort();
      goOn();
      await nodes.clock.settle();
      log.open = opens;
      return end;
    };
    const members = { a: 'memory:a' };
    expect(await aborted((signal) => bootstrap(log, { ...owner, members, signal }))).toBe('KONTIKI_ABORTED');
    await bootstrap(log, { ...owner, members });
    const to = { log: new MemoryLog() };
    const move = (signal?: AbortSignal): Promise<void> =>
      moveServer({ ...owner, from: { log }, to, where: 'b', signal });
    expect(await aborted(move)).toBe('KONTIKI_ABORTED');
    await move();
  });
});

describe('closing', () => {
  it('close with a hung snapshot closes the stores and then rejects', async () => {
    const a = await cluster(['a']);
    await write(3);
    (machines.get('a') as SnapshotJournal).gate = () => never;
    const snapshot = outcome(a.snapshot());
    await nodes.clock.elapse(50);
    await expect(runToEnd(a.close({ ...atOnce, timeout: 2_000 }))).rejects.toMatchObject({
      code: 'KONTIKI_TIMEOUT',
      message: expect.stringMatching(/a snapshot in progress did not end within 2000 ms.*data is safe/),
    });
    expect(await snapshot).toBe('KONTIKI_CLOSED');
    expect(await outcome((nodes.logs.get('a') as MemoryLog).append({}))).toBe('KONTIKI_CLOSED');
    expect(await outcome((stores.get('a') as MemorySnapshots).list())).toBe('KONTIKI_CLOSED');
    nodes.nodes.delete('a');
    await open('a');
  });

  it('close awaited in an asynchronous apply rejects at its deadline', async () => {
    await nodes.bootstrap('a');
    let end: unknown;
    const machine = machineThat(async () => {
      await Promise.resolve();
      end = await outcome(node.close(atOnce));
    });
    const node: RaftNode<number> = await open('a', { machine });
    await nodes.clock.until(() => node.isLeader);
    expect(await runToOutcome(nodes, node.propose(bytes('x')))).toBe('KONTIKI_UNKNOWN_OUTCOME');
    await nodes.clock.until(() => end !== undefined);
    expect(end).toBe('KONTIKI_TIMEOUT');
    expect(await outcome((nodes.logs.get('a') as MemoryLog).append({}))).toBe('KONTIKI_CLOSED');
    nodes.nodes.delete('a');
  });

  it('close called before the first await of an apply waits for the apply', async () => {
    await nodes.bootstrap('a');
    const order: string[] = [];
    let goOn = (): void => {};
    const machine = machineThat(async () => {
      void node.close(atOnce).then(() => order.push('closed'));
      await new Promise<void>((resolve) => (goOn = resolve));
      order.push('applied');
    });
    const node: RaftNode<number> = await open('a', { machine });
    await nodes.clock.until(() => node.isLeader);
    const proposed = outcome(node.propose(bytes('x')));
    await nodes.clock.elapse(100);
    expect(order).toEqual([]);
    goOn();
    await nodes.clock.settle();
    expect(order).toEqual(['applied', 'closed']);
    expect(await proposed).toBe('KONTIKI_UNKNOWN_OUTCOME');
  });

  it('the error of close names a hung log and a hung transport', async () => {
    const a = await cluster(['a']);
    (nodes.logs.get('a') as MemoryLog).close = () => never;
    const hung = new MemoryNetwork({ clock: nodes.clock }).transport();
    hung.close = () => never;
    await a.setTransport(hung);
    await expect(runToEnd(a.close(atOnce))).rejects.toMatchObject({
      code: 'KONTIKI_TIMEOUT',
      message: expect.stringContaining('the transport and the log did not end within 10000 ms'),
    });
    nodes.nodes.delete('a');
  });
});
