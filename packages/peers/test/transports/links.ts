import { expect, it } from 'vitest';
import { append, heldBytes, introduce, numbered, type Started, startProxy, until } from './servers.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/**
 * Shows how transports handle connections that fail, are slow or are overloaded. `connections` is
 * the maximum number of connections that the transport opens to a peer. `ping` is the approximate
 * number of bytes that an idle transport sends per tick.
 */
export function testLinks(started: Started, { connections: most, ping }: { connections: number; ping: number }): void {
  /**
   * Starts servers a and b, and a proxy in front of b. Server a dials b through this proxy. Server
   * b does not know a's address.
   */
  async function throughProxy(limits = {}) {
    const [a, b] = [await started('a', { limits }), await started('b', { limits })];
    const proxy = await startProxy(() => b.transport.port as number);
    a.transport.setPeers(new Map([['b', `http://${proxy.host}`]]));
    await a.reaches(b);
    return { a, b, proxy };
  }

  it('a transport detects a stalled connection and reconnects', async () => {
    const { a, b, proxy } = await throughProxy({ pingIntervalMs: 30, handshakeTimeoutMs: 200, reconnectMaxMs: 100 });
    proxy.stall();
    await until(() => a.logged(/b: it (is silent|does not answer)/), 'the log line of the dialer');
    await until(() => b.logged(/a.* is silent/), 'the log line of the acceptor');
    await until(() => a.logged(/cannot connect to b: it does not answer/), 'an attempt that times out');
    proxy.resume();
    await a.reaches(b);
  });

  it('a message on a broken connection arrives in full or not at all', async () => {
    const { a, b, proxy } = await throughProxy({ reconnectMaxMs: 50 });
    proxy.rate = 64 * KiB;
    let index = 0;
    for (let cuts = 0; cuts < 5; cuts += 1) {
      const { carried } = proxy;
      await until(() => {
        a.transport.send('b', [append((index += 1), 200 * KiB)]);
        return proxy.carried > carried + 100 * KiB;
      }, 'a part of the frame');
      proxy.cut();
      await a.reaches(b);
    }
    const entries = b.received.flatMap(({ message }) => (message.kind === 'append' ? message.entries : []));
    for (const entry of entries) expect(entry).toMatchObject({ data: { length: 200 * KiB } });
  });

  it('a transport keeps an idle connection open', async () => {
    const { a, b, proxy } = await throughProxy({ pingIntervalMs: 10 });
    const carried = proxy.carried;
    await until(() => proxy.carried > carried + 20 * ping, 'many more pings than five ticks need');
    expect(proxy.connections).toBeLessThanOrEqual(most);
    expect([...a.lines, ...b.lines].filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('a transport keeps a slow connection open as long as bytes arrive', async () => {
    const { a, b, proxy } = await throughProxy({ pingIntervalMs: 20 });
    proxy.rate = 4 * KiB;
    const start = performance.now();
    a.transport.send('b', [append(1, 250 * KiB)]);
    await until(() => b.received.some(({ message }) => message.kind === 'append'), 'the entry');
    expect(performance.now() - start).toBeGreaterThan(5 * 20 * 3);
    expect(proxy.connections).toBeLessThanOrEqual(most);
    expect([...a.lines, ...b.lines].filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('the queue of a stalled peer is bounded, and urgent messages are sent first', async () => {
    const { a, b, proxy } = await throughProxy({ queueBytes: 2 * MiB, pingIntervalMs: 60_000 });
    proxy.stall();
    const before = heldBytes();
    for (let index = 1; index <= 400; index += 1) {
      a.transport.send('b', [append(index, 200 * KiB)]);
      // Wait until the connection has taken all the messages that it can from the queue.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => a.logged(/queue for this peer is full/), 'the queue to be full');
    a.transport.send('b', [numbered(42)]);
    // 80 MB of messages have been sent. Memory is used only by the queue, one frame, and the
    // buffers of the system and the proxy.
    expect(heldBytes() - before).toBeLessThan(24 * MiB);

    proxy.resume();
    await until(() => b.tickets.includes(42), 'the urgent message');
    const urgent = b.received.findIndex(({ message }) => message.kind === 'readIndex' && message.ticket === 42);
    await until(() => b.received.length - urgent > 5, 'the messages after the urgent one');
    // The appends arrive in order and without gaps.
    const indices = b.received.flatMap(({ message }) => (message.kind === 'append' ? [message.prevIndex] : []));
    expect(indices).toEqual(indices.map((_, i) => i));
  });

  it('an unreachable peer uses almost no memory', async () => {
    const a = await started('a', { limits: { reconnectMaxMs: 50 } });
    // No server is listening on port 9, which is reserved for the discard protocol.
    a.transport.setPeers(new Map([['b', 'ws://127.0.0.1:9']]));
    const before = heldBytes();
    for (let index = 1; index <= 500; index += 1) {
      a.transport.send('b', [append(index, 200 * KiB), numbered(index)]);
      if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until(() => a.logged(/cannot connect to b/), 'the log line');
    await until(() => heldBytes() - before < MiB, 'the buffers to be freed');
  });

  it('an urgent message overtakes queued appends', async () => {
    const [a, b] = [await started('a'), await started('b')];
    introduce(a, b);
    await a.reaches(b);
    for (let index = 1; index <= 30; index += 1) a.transport.send('b', [append(index, 250 * KiB)]);
    // The first frame is sent in a microtask. All other appends wait in the queue.
    await Promise.resolve();
    a.transport.send('b', [numbered(7)]);
    await until(() => b.received.filter(({ message }) => message.kind === 'append').length === 30, 'all appends');
    const order = b.received.filter(
      ({ message }) => message.kind === 'append' || (message.kind === 'readIndex' && message.ticket === 7),
    );
    expect(order.findIndex(({ message }) => message.kind === 'readIndex')).toBeLessThanOrEqual(2);
  });

  it('a transport dials a peer immediately each time the peer returns', async () => {
    const limits = { reconnectMinMs: 50, reconnectMaxMs: 600_000 };
    const a = await started('a', { limits, random: () => 1 });
    let b = await started('b');
    const port = b.transport.port as number;
    const proxy = await startProxy(() => port);
    a.transport.setPeers(new Map([['b', `http://${proxy.host}`]]));
    await a.reaches(b);
    // The delays are 50, 100, 200, 400, 800 and 1,600 ms. In the second round, they start at 100
    // ms.
    for (const attempts of [5, 4]) {
      await b.transport.close();
      const { connections } = proxy;
      await until(() => proxy.connections === connections + attempts, 'the attempts before the long delay');
      b = await started('b', { listen: { port } });
      b.transport.setPeers(new Map([['a', a.address]]));
      await until(() => proxy.connections === connections + attempts + 1, 'the next attempt', 1_200);
      await a.reaches(b);
    }
  });
}
