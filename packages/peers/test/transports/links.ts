import { expect, it } from 'vitest';
import { append, heldBytes, introduce, numbered, Proxy, type Started, until } from './servers.js';

const KiB = 1024;
const MiB = 1024 * KiB;

/**
 * What becomes of links that fail, are slow, or carry more than they can. `connections`: as many as a transport makes at
 * most. `ping`: bytes that it sends, about, from one look to the next when there is nothing to say.
 */
export function testLinks(started: Started, { connections: most, ping }: { connections: number; ping: number }): void {
  /** b is reached by a through a proxy only; a doesn't know of connections otherwise. */
  async function throughProxy(limits = {}) {
    const [a, b] = [await started('a', { limits }), await started('b', { limits })];
    const proxy = await new Proxy(() => b.transport.port as number).start();
    a.transport.setPeers(new Map([['b', `http://${proxy.host}`]]));
    await a.reaches(b);
    return { a, b, proxy };
  }

  it('notices that a link carries nothing any more, and makes a new one', async () => {
    const { a, b, proxy } = await throughProxy({ pingIntervalMs: 30, handshakeTimeoutMs: 200, reconnectMaxMs: 100 });
    proxy.swallow();
    await until(() => a.logged(/b: it (has gone silent|does not answer)/), 'the dialer’s line');
    await until(() => b.logged(/a.* has gone silent/), 'the acceptor’s line');
    await until(() => a.logged(/cannot connect to b: it does not answer/), 'an attempt that times out');
    proxy.carry();
    await a.reaches(b);
  });

  it('goes on after connections were cut in the middle of what they carried, which is received whole or not at all', async () => {
    const { a, b, proxy } = await throughProxy({ reconnectMaxMs: 50 });
    proxy.rate = 64 * KiB;
    let index = 0;
    for (let cuts = 0; cuts < 5; cuts += 1) {
      const { carried } = proxy;
      await until(() => {
        a.transport.send('b', [append((index += 1), 200 * KiB)]);
        return proxy.carried > carried + 100 * KiB;
      }, 'a part of it');
      proxy.cut();
      await a.reaches(b);
    }
    const got = b.received.flatMap(({ message }) => (message.kind === 'append' ? message.entries : []));
    for (const entry of got) expect(entry).toMatchObject({ data: { length: 200 * KiB } });
  });

  it('keeps an idle link', async () => {
    const { a, b, proxy } = await throughProxy({ pingIntervalMs: 10 });
    const carried = proxy.carried;
    await until(() => proxy.carried > carried + 20 * ping, 'many more pings than five looks take');
    expect(proxy.connections).toBeLessThanOrEqual(most);
    expect([...a.lines, ...b.lines].filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it('keeps a slow link that is busy for much longer than silence may last', async () => {
    const { a, b, proxy } = await throughProxy({ pingIntervalMs: 20 });
    proxy.rate = 4 * KiB;
    const began = performance.now();
    a.transport.send('b', [append(1, 250 * KiB)]);
    await until(() => b.received.some(({ message }) => message.kind === 'append'), 'the entry');
    expect(performance.now() - began).toBeGreaterThan(5 * 20 * 3);
    expect(proxy.connections).toBeLessThanOrEqual(most);
    expect([...a.lines, ...b.lines].filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('holds a bounded queue for a peer that does not read, and what is urgent leaves first once it does', async () => {
    const { a, b, proxy } = await throughProxy({ queueBytes: 2 * MiB, pingIntervalMs: 60_000 });
    proxy.swallow();
    const before = heldBytes();
    for (let index = 1; index <= 400; index += 1) {
      a.transport.send('b', [append(index, 200 * KiB)]);
      // Gives the connection its turn, so that it takes what it ever takes.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => a.logged(/queue for this peer is full/), 'the queue to be full');
    a.transport.send('b', [numbered(42)]);
    // 80 MB were sent: the queue, a frame, and what the system's buffers and the proxy hold may live.
    expect(heldBytes() - before).toBeLessThan(24 * MiB);

    proxy.carry();
    await until(() => b.tickets.includes(42), 'the urgent message');
    const urgent = b.received.findIndex(({ message }) => message.kind === 'readIndex' && message.ticket === 42);
    await until(() => b.received.length - urgent > 5, 'what waited behind it');
    // Of the bulk that was queued, all but what had left before came behind it, in order and without a gap.
    const indices = b.received.flatMap(({ message }) => (message.kind === 'append' ? [message.prevIndex] : []));
    expect(indices).toEqual(indices.map((_, i) => i));
  });

  it('holds next to nothing for a peer that cannot be reached', async () => {
    const a = await started('a', { limits: { reconnectMaxMs: 50 } });
    // Discard's port: nobody listens there.
    a.transport.setPeers(new Map([['b', 'ws://127.0.0.1:9']]));
    const before = heldBytes();
    for (let index = 1; index <= 500; index += 1) {
      a.transport.send('b', [append(index, 200 * KiB), numbered(index)]);
      if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until(() => a.logged(/cannot connect to b/), 'the line');
    await until(() => heldBytes() - before < MiB, 'the buffers to be let go');
  });

  it('an urgent message does not wait behind megabytes', async () => {
    const [a, b] = [await started('a'), await started('b')];
    introduce(a, b);
    await a.reaches(b);
    for (let index = 1; index <= 30; index += 1) a.transport.send('b', [append(index, 250 * KiB)]);
    // The first frame has left with the microtask; the rest waits.
    await Promise.resolve();
    a.transport.send('b', [numbered(7)]);
    await until(() => b.received.filter(({ message }) => message.kind === 'append').length === 30, 'all appends');
    const order = b.received.filter(
      ({ message }) => message.kind === 'append' || (message.kind === 'readIndex' && message.ticket === 7),
    );
    expect(order.findIndex(({ message }) => message.kind === 'readIndex')).toBeLessThanOrEqual(2);
  });

  it('a transport dials a returning peer at once, each time the peer returns', async () => {
    const limits = { reconnectMinMs: 50, reconnectMaxMs: 600_000 };
    const a = await started('a', { limits, random: () => 1 });
    let b = await started('b');
    const port = b.transport.port as number;
    const proxy = await new Proxy(() => port).start();
    a.transport.setPeers(new Map([['b', `http://${proxy.host}`]]));
    await a.reaches(b);
    // Delays of 50, 100, 200, 400 and 800 ms, then 1,600 ms. The second time the first delay is 100 ms.
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
