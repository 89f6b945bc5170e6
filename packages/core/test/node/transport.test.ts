import { afterEach, describe, expect, it } from 'vitest';
import { KontikiError, MemoryNetwork, type Message, type RaftNode, type Transport } from '@kontiki/core';
import { bytes, Nodes } from './harness.js';

let nodes = new Nodes();
afterEach(async () => {
  await nodes.close();
  nodes = new Nodes();
});

/** A transport that says what is done to it, and starts when the test lets it. */
class Watched implements Transport {
  readonly calls: string[] = [];
  readonly #transport: Transport;
  readonly #begin: Promise<void>;
  receive: ((from: string, message: Message) => void) | undefined;
  closing: Error | undefined;
  /** Resolves when it may be closed. */
  end: Promise<void> = Promise.resolve();

  constructor(network: MemoryNetwork, begin: Promise<void> = Promise.resolve()) {
    this.#transport = network.transport();
    this.#begin = begin;
  }

  async start(...[self, receive]: Parameters<Transport['start']>): Promise<void> {
    this.calls.push('start');
    this.receive = receive;
    await this.#begin;
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
    await this.end;
    await this.#transport.close();
    if (this.closing !== undefined) throw this.closing;
  }
}

const anotherNetwork = (): MemoryNetwork => new MemoryNetwork({ clock: nodes.clock, latency: () => 1 });

async function commits(command: string): Promise<void> {
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

describe('another transport', () => {
  it('takes a cluster over, server by server, while it commits', async () => {
    await nodes.cluster('a', 'b', 'c');
    await commits('before');
    const network = anotherNetwork();
    for (const id of ['a', 'b', 'c']) {
      await nodes.get(id).setTransport(network.transport());
      await commits(`after ${id}`);
    }
    nodes.network.isolate('a');
    await commits('at the end');
    await nodes.clock.until(() => ['a', 'b', 'c'].every((id) => nodes.machine(id).commands.includes('at the end')));
    const [first] = nodes.machine('a').commands;
    expect(first).toBe('before');
    for (const id of ['b', 'c']) expect(nodes.machine(id).commands).toEqual(nodes.machine('a').commands);
  });

  it('is started, told the peers of now, and then the one before is closed', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const before = new Watched(nodes.network);
    const node = await nodes.open('a', { transport: before });
    await nodes.clock.elapse(10);
    let begin = (): void => {};
    const next = new Watched(anotherNetwork(), new Promise((resolve) => (begin = resolve)));
    const replaced = node.setTransport(next);
    await nodes.clock.elapse(10);
    expect([before.calls.includes('close'), next.calls]).toEqual([false, ['start']]);
    begin();
    await replaced;
    expect(next.calls).toEqual(['start', 'started', 'peers b c']);
    expect(before.calls.at(-1)).toBe('close');
    await node.close();
    expect(next.calls.at(-1)).toBe('close');
  });

  it('that does not start is closed, its error is told, and the one before stays in service', async () => {
    await nodes.cluster('a', 'b', 'c');
    const taken = new KontikiError('KONTIKI_LISTEN', 'The port is taken.');
    const next = new Watched(anotherNetwork(), Promise.reject(taken));
    const leader = nodes.leader as RaftNode<number>;
    await expect(leader.setTransport(next)).rejects.toBe(taken);
    expect(next.calls).toEqual(['start', 'close']);
    const { term } = leader.status();
    await commits('still');
    expect(leader.status()).toMatchObject({ role: 'leader', term });
  });

  it('is the only one that is heard', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const before = new Watched(nodes.network);
    const node = await nodes.open('a', { transport: before });
    const next = new Watched(anotherNetwork());
    await node.setTransport(next);
    const vote = { kind: 'vote', term: 77, incarnation: 5, lastIndex: 9, lastTerm: 9 } as const;
    before.receive?.('b', vote);
    await nodes.clock.elapse(10);
    expect(node.status().term).toBeLessThan(77);
    next.receive?.('b', vote);
    await nodes.clock.elapse(10);
    expect(node.status().term).toBe(77);
  });

  it('may fail to let go of the one before: the new one serves', async () => {
    await nodes.bootstrap('a');
    const before = new Watched(nodes.network);
    before.closing = new Error('stuck');
    const lines: unknown[] = [];
    const log = (text: string, details?: unknown): void => void lines.push([text, details]);
    const logger = { debug: log, info: log, warn: log, error: log };
    const node = await nodes.open('a', { transport: before, logger });
    await node.setTransport(new Watched(anotherNetwork()));
    expect(lines).toContainEqual([
      expect.stringMatching(/closing a replaced transport failed/),
      { error: before.closing },
    ]);
    await commits('x');
  });

  it('calls at once take their turns, and the last one stays', async () => {
    await nodes.cluster('a', 'b', 'c');
    const [one, two, three] = [new Watched(anotherNetwork()), new Watched(anotherNetwork()), anotherNetwork()];
    const last = new Watched(three);
    const node = nodes.get('a');
    await Promise.all([node.setTransport(one), node.setTransport(two), node.setTransport(last)]);
    expect(one.calls).toEqual(['start', 'started', 'peers b c', 'close']);
    expect(two.calls).toEqual(one.calls);
    expect(last.calls).toEqual(['start', 'started', 'peers b c']);
    await nodes.get('b').setTransport(three.transport());
    await nodes.get('c').setTransport(three.transport());
    await commits('x');
  });

  it('may not have taken its place yet when the node ends: close waits for the one before, too', async () => {
    await nodes.bootstrap('a');
    const before = new Watched(nodes.network);
    let end = (): void => {};
    before.end = new Promise((resolve) => (end = resolve));
    const node = await nodes.open('a', { transport: before });
    const replaced = node.setTransport(new Watched(anotherNetwork()));
    await nodes.clock.elapse(1);
    expect(before.calls.at(-1)).toBe('close');
    let closed = false;
    const closing = node.close().then(() => (closed = true));
    await nodes.clock.elapse(1);
    expect(closed).toBe(false);
    end();
    await Promise.all([replaced, closing]);
  });

  it('may be the same as the one in service, which goes on', async () => {
    await nodes.bootstrap('a');
    const transport = new Watched(nodes.network);
    const node = await nodes.open('a', { transport });
    await node.setTransport(transport);
    expect(transport.calls).not.toContain('close');
    await commits('x');
  });

  it('comes on the place of the one before once that was closed by its owner', async () => {
    await nodes.bootstrap('a', 'b', 'c');
    const before = nodes.network.transport();
    const node = await nodes.open('a', { transport: before });
    await nodes.open('b');
    await expect(node.setTransport(nodes.network.transport())).rejects.toEqual(error('KONTIKI_LISTEN'));
    await before.close();
    await node.setTransport(nodes.network.transport());
    await nodes.clock.until(() => nodes.leader !== undefined);
    await commits('x');
  });

  it('is refused, and closed, once the node has ended, and while it ends', async () => {
    await nodes.bootstrap('a');
    const node = await nodes.open('a');
    let begin = (): void => {};
    const starting = new Watched(anotherNetwork(), new Promise((resolve) => (begin = resolve)));
    const waiting = new Watched(anotherNetwork());
    const calls = [node.setTransport(starting), node.setTransport(waiting)].map((call) =>
      expect(call).rejects.toEqual(error('KONTIKI_CLOSED')),
    );
    await nodes.clock.elapse(1);
    await node.close();
    begin();
    await Promise.all(calls);
    expect(starting.calls.at(-1)).toBe('close');
    expect(waiting.calls).toEqual(['close']);
    const late = new Watched(anotherNetwork());
    await expect(node.setTransport(late)).rejects.toEqual(error('KONTIKI_CLOSED'));
    expect(late.calls).toEqual(['close']);
  });
});
