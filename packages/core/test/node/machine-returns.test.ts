// Shows that a node stops with a clear cause if a method of its machine, log or transport returns
// an invalid value.
import { describe, expect, it } from 'vitest';
import type { MemoryLog, StateMachine, Transport } from '@kontiki/core';
import { checkedMachine } from '../../src/node/apply/checked-machine.js';
import { atOnce, bytes, outcome } from './harness.js';
import { cluster, machines, nodes, open, runToEnd, SnapshotJournal, write } from './snapshot-harness.js';

/** Starts and stops a server with a snapshot, so that its next start must restore the snapshot. */
async function stoppedWithSnapshot(): Promise<void> {
  const a = await cluster(['a']);
  await write(3);
  await runToEnd(a.snapshot());
  await a.close(atOnce);
}

describe('values that methods of ports return', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a string', '3'],
    ['a negative index', -1],
    ['a fraction', 1.5],
  ])('a machine whose open returns %s fails to open', async (_, index) => {
    await nodes.bootstrap('a');
    const machine = Object.assign(new SnapshotJournal(), { open: async () => index as number });
    await expect(open('a', { machine })).rejects.toMatchObject({
      code: 'KONTIKI_MACHINE_FAILED',
      cause: { message: expect.stringContaining('open must resolve with the index') },
    });
    await open('a');
  });

  it('a machine whose nextExpiry is not a number stops the node', async () => {
    const a = await cluster(['a']);
    Object.assign(machines.get('a') as SnapshotJournal, { nextExpiry: new Date(0) });
    expect(await outcome(runToEnd(a.propose(bytes('x'))))).toBe('KONTIKI_UNKNOWN_OUTCOME');
    expect(a.status()).toMatchObject({
      role: 'failed',
      error: {
        code: 'KONTIKI_MACHINE_FAILED',
        cause: { message: 'nextExpiry must be a number of milliseconds or undefined, not an object' },
      },
    });
  });

  it('a node awaits a promise from another library that machine.open returns', async () => {
    await nodes.bootstrap('a');
    const foreign: PromiseLike<number> = new Proxy(Promise.resolve(1), {
      get: (promise, name) => (name === 'then' ? promise.then.bind(promise) : undefined),
    });
    const machine = Object.assign(new SnapshotJournal(), { open: () => foreign as Promise<number> });
    expect((await open('a', { machine })).status().applied).toBe(1);
  });

  it.each<[string, StateMachine['snapshot'], RegExp]>([
    [
      'strings',
      async function* () {
        yield 'x' as never;
      },
      /must yield Uint8Arrays, not "x"/,
    ],
    ['a promise', (async () => undefined) as never, /must return an async iterable, not an object/],
    ['nothing', (() => undefined) as never, /must return an async iterable, not undefined/],
  ])('a machine whose snapshot produces %s stops the node', async (_, snapshot, message) => {
    const a = await cluster(['a']);
    await write(1);
    Object.assign(machines.get('a') as SnapshotJournal, { snapshot });
    expect(await outcome(runToEnd(a.snapshot()))).toBe('KONTIKI_MACHINE_FAILED');
    expect(a.status()).toMatchObject({ role: 'failed', error: { cause: { message: expect.stringMatching(message) } } });
  });

  it('a machine may reuse the memory of a chunk after it was yielded', async () => {
    const memory = new Uint8Array(2);
    async function* snapshot(): AsyncIterable<Uint8Array> {
      for (const text of ['ab', 'cd', 'ef']) {
        memory.set(bytes(text));
        yield memory;
      }
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of checkedMachine({ apply: () => [], snapshot }).snapshot?.() ?? []) chunks.push(chunk);
    expect(chunks).toEqual(['ab', 'cd', 'ef'].map(bytes));
  });

  it('a node fails to open if restore resolves before reading the last chunk', async () => {
    await stoppedWithSnapshot();
    const machine = Object.assign(new SnapshotJournal(), { restore: async () => {} });
    await expect(open('a', { machine })).rejects.toMatchObject({
      code: 'KONTIKI_MACHINE_FAILED',
      cause: { message: 'restore resolved before it had read all chunks' },
    });
    await open('a');
    expect(machines.get('a')?.commands).toEqual(['x0', 'x1', 'x2']);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['no entry', []],
    ['other entries', [{ kind: 'noop', index: 99, term: 1 }]],
  ])('a log whose read returns %s stops the node', async (_, page) => {
    const leader = await cluster(['a', 'b', 'c'], { limits: { tailBytes: 1 } });
    nodes.network.isolate(nodes.followers[0]?.id as string);
    await write(3);
    (nodes.logs.get(leader.id) as MemoryLog).read = async () => page as never;
    nodes.network.heal();
    await nodes.clock.until(() => leader.status().role === 'failed');
    expect(leader.status().error).toMatchObject({ code: 'KONTIKI_CORRUPT' });
  });

  it('the start method of a transport may return nothing or throw synchronously', async () => {
    await nodes.bootstrap('a');
    const start = (fails: boolean): Transport => {
      const transport = nodes.network.transport();
      const starts = transport.start.bind(transport);
      transport.start = (...options) => {
        if (fails) throw new Error('no port');
        void starts(...options);
        return undefined as never;
      };
      return transport;
    };
    await expect(open('a', { transport: start(true) })).rejects.toThrow('no port');
    await open('a', { transport: start(false) });
    await nodes.clock.until(() => nodes.leader !== undefined);
  });
});
