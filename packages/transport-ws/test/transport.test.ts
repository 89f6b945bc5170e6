import { createServer as createHttpServer, get, type Server } from 'node:http';
import { connect, createServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Identity, Logger, Message } from '@kontiki/core';
import { encodeFrame } from '@kontiki/core/wire';
import { helloHeaders, PROTOCOL } from '@kontiki/peers';
import { WebSocketTransport, type WebSocketTransportOptions } from '@kontiki/transport-ws';
import { WebSocket, WebSocketServer } from 'ws';

/** A transport, who it is, and what it received and said. */
interface Peer {
  readonly transport: WebSocketTransport;
  readonly self: Identity;
  readonly received: { from: string; message: Message }[];
  readonly warnings: string[];
  readonly address: string;
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function eventually(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 20_000; !(await condition()); await pause(5)) {
    if (performance.now() > end) throw new Error(`${what}: not in time`);
  }
}

async function start(
  server: string,
  self: Partial<Identity> = {},
  options: Partial<WebSocketTransportOptions> = {},
): Promise<Peer> {
  const warnings: string[] = [];
  const logger: Logger = {
    debug() {},
    info() {},
    error() {},
    warn: (text, details) => warnings.push(`${text}: ${String(details?.['about'])}`),
  };
  const transport = new WebSocketTransport({
    ...('server' in options ? {} : { listen: { port: 0 } }),
    logger,
    ...options,
  });
  const received: Peer['received'] = [];
  const identity: Identity = { cluster: 'test', server, incarnation: 7, origin: 3, ...self };
  closing.push(() => transport.close());
  await transport.start(identity, (from, message) => received.push({ from, message }));
  return { transport, self: identity, received, warnings, address: `ws://127.0.0.1:${transport.port}` };
}

function introduce(...peers: Peer[]): void {
  for (const { transport, self } of peers) {
    transport.setPeers(
      new Map(
        peers.filter((other) => other.self.server !== self.server).map((other) => [other.self.server, other.address]),
      ),
    );
  }
}

const beat = (round: number): Message => ({
  kind: 'heartbeat',
  term: 1,
  incarnation: 7,
  session: 1,
  round,
  committed: 0,
});
const append = (index: number, bytes: number): Message => ({
  kind: 'append',
  term: 1,
  incarnation: 7,
  session: 1,
  prevIndex: index,
  prevTerm: 1,
  committed: 0,
  entries: [{ kind: 'command', index: index + 1, term: 1, data: new Uint8Array(bytes).fill(index) }],
});

/** Sends until something arrives: a connection takes its time, and what is sent before may be dropped. */
async function reaches(from: Peer, to: Peer): Promise<void> {
  const before = to.received.length;
  await eventually(`${from.self.server} reaches ${to.self.server}`, async () => {
    from.transport.send(to.self.server, [beat(0)]);
    await pause(10);
    return to.received.length > before;
  });
}

/** Connects as a stranger, with the headers of a peer or others. */
function dial(
  to: Peer,
  headers: Record<string, string>,
  protocol: string | undefined = PROTOCOL,
): Promise<WebSocket | number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(to.address, protocol === undefined ? [] : [protocol], { headers });
    closing.push(() => socket.terminate());
    socket.on('open', () => resolve(socket));
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    socket.on('error', () => {});
  });
}

const closed = (socket: WebSocket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));

describe('messages', () => {
  it('arrive, both ways, whole and in order', async () => {
    const [a, b] = [await start('a'), await start('b')];
    introduce(a, b);
    await reaches(a, b);
    await reaches(b, a);
    b.received.length = 0;
    for (let i = 0; i < 100; i += 1) a.transport.send('b', [append(i, i * 30), beat(i)]);
    await eventually('all have arrived', () => b.received.length === 200);
    const appends = b.received.filter(({ message }) => message.kind === 'append').map(({ message }) => message);
    expect(appends).toEqual(Array.from({ length: 100 }, (_, i) => append(i, i * 30)));
    expect(b.received.every(({ from }) => from === 'a')).toBe(true);
    a.transport.send('nobody', [beat(1)]);
  });

  it('of a megabyte arrive too, and votes are not kept waiting behind many of them', async () => {
    const [a, b] = [await start('a'), await start('b')];
    introduce(a, b);
    await reaches(a, b);
    b.received.length = 0;
    a.transport.send(
      'b',
      Array.from({ length: 7 }, (_, i) => append(i, 1024 * 1024)),
    );
    a.transport.send('b', [{ kind: 'vote', term: 9, incarnation: 7, lastIndex: 1, lastTerm: 1 }]);
    await eventually('all have arrived', () => b.received.length === 8);
    expect(b.received.findIndex(({ message }) => message.kind === 'vote')).toBeLessThanOrEqual(1);
  });

  it('flow again when a peer has closed and another takes its place', async () => {
    const [a, b] = [await start('a'), await start('b')];
    introduce(a, b);
    await reaches(a, b);
    const port = b.transport.port as number;
    await b.transport.close();
    await b.transport.close();
    const again = await start('b', { incarnation: 8 }, { listen: { port } });
    await reaches(a, again);
  });

  it('reach a peer’s new address, and no peer that was dropped', async () => {
    const [a, b] = [await start('a'), await start('b')];
    introduce(a, b);
    await reaches(a, b);
    await b.transport.close();
    const moved = await start('b');
    a.transport.setPeers(
      new Map([
        ['b', moved.address],
        ['c', 'nonsense'],
        ['d', 'http://127.0.0.1:1'],
      ]),
    );
    await reaches(a, moved);
    expect(a.warnings.join()).toContain('server c cannot be reached');
    a.transport.setPeers(new Map());
    const before = moved.received.length;
    a.transport.send('b', [beat(1)]);
    await pause(50);
    expect(moved.received.length).toBe(before);
  });

  it('stop with close, also in the middle of traffic', async () => {
    const [a, b] = [await start('a'), await start('b')];
    introduce(a, b);
    await reaches(a, b);
    for (let i = 0; i < 50; i += 1) a.transport.send('b', [append(i, 100_000)]);
    const closingB = b.transport.close();
    const at = b.received.length;
    await Promise.all([closingB, a.transport.close()]);
    expect(b.received.length).toBe(at);
    a.transport.send('b', [beat(1)]);
    a.transport.setPeers(new Map([['b', b.address]]));
    expect(a.transport.port).toBe(undefined);
  });
});

describe('who is not heard', () => {
  it.each([
    ['another cluster', { cluster: 'other' }, 'cluster'],
    ['another list of members', { origin: 4 }, 'another list'],
  ])('a server of %s, on neither side', async (_what, self, says) => {
    const [a, b] = [await start('a'), await start('b', self)];
    introduce(a, b);
    await eventually('both complain', () => {
      a.transport.send('b', [beat(1)]);
      b.transport.send('a', [beat(1)]);
      return [a, b].every(({ warnings }) => warnings.join().includes(says));
    });
    expect([...a.received, ...b.received]).toEqual([]);
  });

  it('a server that is not the one that was dialled', async () => {
    const [a, b] = [await start('a'), await start('b')];
    a.transport.setPeers(new Map([['c', b.address]]));
    await eventually('it complains', () => a.warnings.join().includes('wants server c'));
    expect(b.received).toEqual([]);
  });

  it('browsers, other protocols, strangers, and whoever sends garbage; the others go on', async () => {
    const [a, b] = [await start('a'), await start('b')];
    introduce(a, b);
    await reaches(a, b);
    const hello = helloHeaders({ ...a.self, server: 'x' }, 'b');
    expect(await dial(b, { ...hello, Origin: 'http://evil.example' })).toBe(403);
    expect(await dial(b, hello, 'chat')).toBe(403);
    expect(await dial(b, {})).toBe(403);
    expect(await dial(b, { ...hello, 'kontiki-cluster': 'other' })).toBe(403);
    const garbage: (string | Uint8Array)[] = [
      'text',
      new Uint8Array(0),
      new Uint8Array(100).fill(7),
      new Uint8Array(5 * 1024 * 1024),
      encodeFrame([beat(1)]).fill(1, 20),
    ];
    for (const data of garbage) {
      const socket = (await dial(b, hello)) as WebSocket;
      const end = closed(socket);
      socket.send(data);
      await end;
    }
    for (const bytes of [
      '\0\u0001garbage\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      'x'.repeat(100_000),
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(b.transport.port as number, '127.0.0.1', () => socket.write(bytes));
        socket
          .on('error', () => {})
          .on('close', () => resolve())
          .resume();
        // A server that waits for more of a request closes in its own time; what matters is that it goes on.
        socket.setTimeout(1_000, () => socket.destroy());
      });
    }
    expect(
      await new Promise((resolve) =>
        get(b.address.replace('ws', 'http'), (response) => resolve(response.resume().statusCode)),
      ),
    ).toBe(426);
    await reaches(a, b);
    expect(b.received.every(({ from }) => from === 'a')).toBe(true);
  });

  it('an earlier connection of the same server, once it has a new one', async () => {
    const b = await start('b');
    const hello = helloHeaders({ cluster: 'test', server: 'x', incarnation: 1, origin: 3 }, 'b');
    const first = (await dial(b, hello)) as WebSocket;
    const end = closed(first);
    const second = (await dial(b, hello)) as WebSocket;
    await end;
    second.send(encodeFrame([beat(1)]));
    await eventually('the new one is heard', () => b.received.length === 1);
  });
});

describe('peers that are gone without a word', () => {
  /** A proxy that can swallow everything, on either side, without closing. */
  async function proxy(
    to: number,
  ): Promise<{ server: TcpServer; address: string; swallow: () => void; connections: () => number }> {
    let swallowing = false;
    let connections = 0;
    const sockets: Socket[] = [];
    const server = createServer((near) => {
      connections += 1;
      const far = connect(to, '127.0.0.1');
      sockets.push(near, far);
      const mute = swallowing;
      near.on('data', (data) => void (swallowing && !mute ? undefined : far.write(data))).on('error', () => {});
      far.on('data', (data) => void (swallowing && !mute ? undefined : near.write(data))).on('error', () => {});
      near.on('close', () => far.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    return {
      server,
      address: `ws://127.0.0.1:${port}`,
      swallow: () => (swallowing = true),
      connections: () => connections,
    };
  }

  it('are noticed by unanswered pings, and dialled again', async () => {
    const [a, b] = [await start('a'), await start('b')];
    const between = await proxy(b.transport.port as number);
    a.transport.setPeers(new Map([['b', between.address]]));
    await reaches(a, b);
    between.swallow();
    await eventually('it dials again', () => between.connections() > 1);
    await reaches(a, b);
  });

  it('and a peer that stops reading costs no more than its queue', async () => {
    const a = await start('a');
    const http = createHttpServer();
    const sockets = new WebSocketServer({ server: http, handleProtocols: () => PROTOCOL });
    sockets.on('headers', (headers) => {
      for (const [name, value] of Object.entries(helloHeaders({ ...a.self, server: 'b' }, 'a')))
        headers.push(`${name}: ${value}`);
    });
    const arrived: number[] = [];
    sockets.on('connection', (socket) => {
      socket.on('message', (data: Buffer) => arrived.push(data.length));
      socket.pause();
      closing.push(() => socket.terminate());
      setTimeout(() => socket.resume(), 500);
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    closing.push(() => http.close());
    a.transport.setPeers(new Map([['b', `ws://127.0.0.1:${(http.address() as AddressInfo).port}`]]));
    await eventually('it is connected', () => sockets.clients.size === 1);
    await pause(20);
    const one = append(0, 250_000);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 2_000; i += 1) a.transport.send('b', [one]);
    // Half a gigabyte was handed over; the queue keeps 8 MiB by reference, and one frame is with the socket.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000);
    await eventually('what was kept arrives when it reads again', () => arrived.length > 10);
    expect(arrived.length).toBeLessThan(60);
  });
});

describe('listening', () => {
  it('beside a route and another upgrade on the user’s own server', async () => {
    const server: Server = createHttpServer((_request, response) => response.end('mine'));
    server.on('upgrade', (request, socket) => {
      if (request.url === '/chat') socket.end('HTTP/1.1 418 Mine\r\nConnection: close\r\n\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const mounted = await start('b', {}, { server, path: '/raft' });
    const a = await start('a');
    a.transport.setPeers(new Map([['b', `ws://127.0.0.1:${port}/raft`]]));
    await reaches(a, mounted);
    expect(
      await new Promise((resolve) =>
        get(`http://127.0.0.1:${port}/`, (response) => response.on('data', (data: Buffer) => resolve(data.toString()))),
      ),
    ).toBe('mine');
    expect(await dial({ ...mounted, address: `ws://127.0.0.1:${port}/chat` }, {})).toBe(418);
    await mounted.transport.close();
    expect(server.listening).toBe(true);
  });

  it('on a port in use, beyond this machine, or nowhere at all is refused with what to do', async () => {
    const b = await start('b');
    await expect(start('c', {}, { listen: { port: b.transport.port as number } })).rejects.toMatchObject({
      code: 'KONTIKI_LISTEN',
      message: expect.stringContaining('in use') as string,
    });
    expect(() => new WebSocketTransport({ listen: { host: '0.0.0.0', port: 0 } })).toThrow(
      expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' }) as Error,
    );
    expect(() => new WebSocketTransport({})).toThrow(expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' }) as Error);
    const open = await start('d', {}, { listen: { host: '0.0.0.0', port: 0 }, insecure: true });
    expect(open.transport.port).toBeGreaterThan(0);
    await expect(b.transport.start(b.self, () => {})).rejects.toMatchObject({ code: 'KONTIKI_BAD_OPTION' });
  });
});
