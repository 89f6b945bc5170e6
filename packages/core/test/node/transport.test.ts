import { afterEach, describe, expect, it } from 'vitest';
import { KontikiError, MemoryNetwork, type Message, type RaftNode, type Transport } from '@kontiki/core';
import { atOnce, bytes, Nodes } from './harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

/** A transport that records its calls. The test decides when it starts and closes. */
class RecordedTransport implements Transport {
  readonly calls: string[] = [];
  readonly #transport: Transport;
  readonly #startGate: Promise<void>;
  receive: ((from: string, message: Message) => void) | undefined;
  /** The error that `close` rejects with. */
  closeError: Error | undefined;
  /** The promise that `close` waits for. */
  closeGate: Promise<void> = Promise.resolve();

  constructor(network: MemoryNetwork, startGate: Promise<void> = Promise.resolve()) {
    this.#transport = network.transport();
    this.#startGate = startGate;
  }

  async start(...[self, receive]: Parameters<Transport['start']>): Promise<void> {
    this.calls.push('start');
    this.receive = receive;
    await this.#startGate;
    await this.#transport.start(self, receive);
    this.calls.push('started');
  }

  send(to: string, messages: readonly Message[]): void {
    this.#transport.send(to, messages);
  }

  setPeers(peers: ReadonlyMap<string, string>): void {
    this.calls.push(`peers ${[...peers.keys()].join(' ')}`);
    this.#transport.setPeers(peers);
  }

  async close(): Promise<void> {
    this.calls.push('close');
    await this.closeGate;
    await this.#transport.close();
    if (this.closeError !== undefined) throw this.closeError;
  }
}

const anotherNetwork = (): MemoryNetwork => new MemoryNetwork({ clock: nodes.clock, latency: () => 1 });

/** Repeatedly proposes a command to the current leader until it is committed. */
async function commit(command: string): Promise<void> {
  let committed = false;
  const attempt = (): void => {
    const again = (): void => {
      if (!committed) nodes.clock.timer(attempt).set(nodes.clock.now() + 50);
    };
    if (nodes.leader === undefined) return again();
    nodes.leader.propose(bytes(command), { timeout: 500 }).then(() => (committed = true), again);
  };
  attempt();
  await nodes.clock.until(() => committed);
}

const error = (code: string): unknown => expect.objectContaining({ code });

describe('setTransport', () => {
  it('setTransport moves a cluster to another network, one server at a time', async () => {
    await nodes.cluster('a', 'b', 'c');
    await commit('before');
    const network = anotherNetwork();
    for (const id of ['a', 'b', 'c']) {
      await nodes.get(id).setTransport(network.transport());
      await commit(`after ${id}`);
    }
    nodes.network.isolate('a');
    await commit('at the end');
    await nodes.clock.until(() => ['a', 'b', 'c'].every((id) => nodes.machine(id).commands.includes('at the end')));
    const [first] = nodes.machine('a').commands;
    expect(first).toBe('before');
    for (const id of ['b', 'c']) expect(nodes.machine(id).commands).toEqual(nodes.machine('a').commands);
  });

  it('setTransport starts the new transport, sets its peers and closes the old one', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const before = new RecordedTransport(nodes.network);
    const node = await nodes.open('a', { transport: before });
    await nodes.clock.elapse(10);
    let start = (): void => {};
    const next = new RecordedTransport(anotherNetwork(), new Promise((resolve) => (start = resolve)));
    const replaced = node.setTransport(next);
    await nodes.clock.elapse(10);
    expect([before.calls.includes('close'), next.calls]).toEqual([false, ['start']]);
    start();
    await replaced;
    expect(next.calls).toEqual(['start', 'started', 'peers b c']);
    expect(before.calls.at(-1)).toBe('close');
    await node.close(atOnce);
    expect(next.calls.at(-1)).toBe('close');
  });

  it('setTransport keeps the old transport if the new transport fails to start', async () => {
    await nodes.cluster('a', 'b', 'c');
    const taken = new KontikiError('KONTIKI_LISTEN', 'The port is taken.');
    const next = new RecordedTransport(anotherNetwork(), Promise.reject(taken));
    const leader = nodes.leader as RaftNode<number>;
    await expect(leader.setTransport(next)).rejects.toBe(taken);
    expect(next.calls).toEqual(['start', 'close']);
    const { term } = leader.status();
    await commit('still');
    expect(leader.status()).toMatchObject({ role: 'leader', term });
  });

  it('setTransport ignores later messages from the old transport', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const before = new RecordedTransport(nodes.network);
    const node = await nodes.open('a', { transport: before });
    const next = new RecordedTransport(anotherNetwork());
    await node.setTransport(next);
    const vote = { kind: 'vote', term: 77, incarnation: 5, lastIndex: 9, lastTerm: 9 } as const;
    before.receive?.('b', vote);
    await nodes.clock.elapse(10);
    expect(node.status().term).toBeLessThan(77);
    next.receive?.('b', vote);
    await nodes.clock.elapse(10);
    expect(node.status().term).toBe(77);
  });

  it('setTransport succeeds even if the old transport fails to close', async () => {
    await nodes.bootstrap('a');
    const before = new RecordedTransport(nodes.network);
    before.closeError = new Error('stuck');
    const lines: unknown[] = [];
    const log = (text: string, details?: unknown): void => void lines.push([text, details]);
    const logger = { debug: log, info: log, warn: log, error: log };
    const node = await nodes.open('a', { transport: before, logger });
    await node.setTransport(new RecordedTransport(anotherNetwork()));
    expect(lines).toContainEqual([
      expect.stringMatching(/closing a replaced transport failed/),
      { error: before.closeError },
    ]);
    await commit('x');
  });

  it('concurrent setTransport calls take effect in order', async () => {
    await nodes.cluster('a', 'b', 'c');
    const [one, two, three] = [
      new RecordedTransport(anotherNetwork()),
      new RecordedTransport(anotherNetwork()),
      anotherNetwork(),
    ];
    const last = new RecordedTransport(three);
    const node = nodes.get('a');
    await Promise.all([node.setTransport(one), node.setTransport(two), node.setTransport(last)]);
    expect(one.calls).toEqual(['start', 'started', 'peers b c', 'close']);
    expect(two.calls).toEqual(one.calls);
    expect(last.calls).toEqual(['start', 'started', 'peers b c']);
    await nodes.get('b').setTransport(three.transport());
    await nodes.get('c').setTransport(three.transport());
    await commit('x');
  });

  it('close waits for setTransport to close the old transport', async () => {
    await nodes.bootstrap('a');
    const before = new RecordedTransport(nodes.network);
    let finishClose = (): void => {};
    before.closeGate = new Promise((resolve) => (finishClose = resolve));
    const node = await nodes.open('a', { transport: before });
    const replaced = node.setTransport(new RecordedTransport(anotherNetwork()));
    await nodes.clock.elapse(1);
    expect(before.calls.at(-1)).toBe('close');
    let closed = false;
    const closing = node.close(atOnce).then(() => (closed = true));
    await nodes.clock.elapse(1);
    expect(closed).toBe(false);
    finishClose();
    await Promise.all([replaced, closing]);
  });

  it('setTransport with the current transport does not restart it', async () => {
    await nodes.bootstrap('a');
    const transport = new RecordedTransport(nodes.network);
    const node = await nodes.open('a', { transport });
    await node.setTransport(transport);
    expect(transport.calls).not.toContain('close');
    await commit('x');
  });

  it('setTransport can reuse an address after the old transport is closed', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const before = nodes.network.transport();
    const node = await nodes.open('a', { transport: before });
    await nodes.open('b');
    await expect(node.setTransport(nodes.network.transport())).rejects.toEqual(error('KONTIKI_LISTEN'));
    await before.close();
    await node.setTransport(nodes.network.transport());
    await nodes.clock.until(() => nodes.leader !== undefined);
    await commit('x');
  });

  it('setTransport on a closed node rejects and closes the new transport', async () => {
    await nodes.bootstrap('a');
    const node = await nodes.open('a');
    let start = (): void => {};
    const starting = new RecordedTransport(anotherNetwork(), new Promise((resolve) => (start = resolve)));
    const waiting = new RecordedTransport(anotherNetwork());
    const calls = [node.setTransport(starting), node.setTransport(waiting)].map((call) =>
      expect(call).rejects.toEqual(error('KONTIKI_CLOSED')),
    );
    await nodes.clock.elapse(1);
    await node.close(atOnce);
    start();
    await Promise.all(calls);
    await nodes.clock.settle();
    expect(starting.calls.at(-1)).toBe('close');
    expect(waiting.calls).toEqual(['close']);
    const late = new RecordedTransport(anotherNetwork());
    await expect(node.setTransport(late)).rejects.toEqual(error('KONTIKI_CLOSED'));
    expect(late.calls).toEqual(['close']);
  });
});

it('status reports the refusals that the current transport has counted, if any', async () => {
  await nodes.bootstrap('a');
  const a = await nodes.open('a');
  expect(a.status().refusals).toEqual({});
  const refusing = Object.assign(anotherNetwork().transport(), { refusals: { browser: 2 } });
  await a.setTransport(refusing);
  expect(a.status().refusals).toEqual({ browser: 2 });
});
