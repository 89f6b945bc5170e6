// Shows that clients without a valid handshake, and peers that send invalid data, are refused and
// have no effect. A plain WebSocket client or a raw socket acts as the other side.
import { createConnection, type Socket } from 'node:net';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { encodeFrame, MAX_FRAME } from '@kontiki/core/wire';
import { helloHeaders } from '@kontiki/peers';
import type { Identity } from '@kontiki/core';
import { testHandshakes } from '../../peers/test/transports/handshakes.js';
import { testRequests, testResponses } from '../../peers/test/transports/requests.js';
import { after, frameOfUnknownKind, introduce, numbered, started, type TestServer, until } from './servers.js';

const client: Identity = { cluster: 'c-1', server: 'x', incarnation: 99, genesis: undefined, epoch: undefined };

interface Dial {
  readonly headers?: Record<string, string>;
  readonly protocol?: string;
  readonly origin?: string;
  readonly path?: string;
}

/** Dials a server with a plain WebSocket client. The default handshake is valid. */
function dial(server: TestServer, { headers, protocol = 'kontiki.1', origin, path = '/' }: Dial = {}): WebSocket {
  const ws = new WebSocket(`ws://127.0.0.1:${server.transport.port}${path}`, protocol, {
    headers: headers ?? helloHeaders(client, server.id),
    ...(origin === undefined ? {} : { origin }),
  });
  ws.on('error', () => {});
  after(() => ws.terminate());
  return ws;
}

/** Returns the reason that a server gives for refusing an upgrade. */
async function refusedReason(server: TestServer, options: Dial): Promise<string | undefined> {
  const ws = dial(server, options);
  const [, response] = await once(ws, 'unexpected-response');
  ws.terminate();
  return response.headers['kontiki-refused'];
}

it('a peer that answers with an unexpected id is refused', async () => {
  const a = await started('a');
  // Start a server with the id `c` that accepts every client.
  const { WebSocketServer } = await import('ws');
  const impostor = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'kontiki.1' });
  after(() => impostor.close());
  impostor.on('headers', (lines) => {
    const hello = helloHeaders({ ...client, server: 'c' }, 'a');
    for (const [name, value] of Object.entries(hello)) lines.push(`${name}: ${value}`);
  });
  const messages: unknown[] = [];
  impostor.on('connection', (ws) => ws.on('message', (data) => messages.push(data)));
  await once(impostor, 'listening');
  a.transport.setPeers(new Map([['b', `ws://127.0.0.1:${(impostor.address() as { port: number }).port}`]]));
  a.transport.send('b', [numbered(1)]);
  await until(() => a.logged(/c answered at the address of b/), 'the log line');
  expect(messages).toEqual([]);
});

testHandshakes(started, /repeating the handshake/);
testRequests(started, 426, 'upgrade');
testResponses(started);

describe('the listener', () => {
  const good = helloHeaders(client, 'a');
  const changed = (name: string, value: string): Record<string, string> => ({ ...good, [name]: value });

  it.each<[string, Dial, string]>([
    ['no handshake', { headers: {} }, 'version'],
    ['another version', { headers: changed('kontiki-version', '2') }, 'version'],
    ['another subprotocol', { protocol: 'raft.v1' }, 'version'],
    ['the Origin header of a browser', { origin: 'https://example.com' }, 'browser'],
    ['an invalid cluster id', { headers: changed('kontiki-cluster', 'a b') }, 'malformed'],
    ['a server id of 65 characters', { headers: changed('kontiki-from', 'x'.repeat(65)) }, 'malformed'],
    ['an incarnation of 0', { headers: changed('kontiki-incarnation', '0') }, 'malformed'],
    ['an incarnation above 2^53', { headers: changed('kontiki-incarnation', '9007199254740993') }, 'malformed'],
    ['an incarnation with an exponent', { headers: changed('kontiki-incarnation', '1e3') }, 'malformed'],
    ['a genesis above 2^32', { headers: changed('kontiki-genesis', '4294967296') }, 'malformed'],
    ['a handshake for another server', { headers: changed('kontiki-to', 'b') }, 'receiver'],
  ])('a request with %s is refused, with the reason in the response', async (_, options, reason) => {
    const a = await started('a');
    expect(await refusedReason(a, options)).toBe(reason);
    expect(a.transport).toMatchObject({ refusals: { [reason]: 1 } });
    expect(a.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('an upgrade on another path is answered with 404', async () => {
    const a = await started('a');
    const [, response] = await once(dial(a, { path: '/elsewhere' }), 'unexpected-response');
    expect(response.statusCode).toBe(404);
    expect(a.transport.refusals).toEqual({ path: 1 });
  });

  it('a plain HTTP request is answered with 426', async () => {
    const a = await started('a');
    const asked = request({ port: a.transport.port, host: '127.0.0.1', method: 'POST' }).end('x');
    const [response] = await once(asked, 'response');
    expect(response.statusCode).toBe(426);
    response.resume();
    expect(a.transport.refusals).toEqual({ upgrade: 1 });
  });

  it.each([
    ['text', (ws: WebSocket) => ws.send('hello'), /it sent text/],
    ['noise', (ws: WebSocket) => ws.send(Buffer.from('not a frame')), /frame/],
    ['an empty message', (ws: WebSocket) => ws.send(Buffer.alloc(0)), /missing/],
    ['an unknown group', (ws: WebSocket) => ws.send(encodeFrame([numbered(1)], { group: 1 })), /unknown group 1/],
    ['a message too large', (ws: WebSocket) => ws.send(Buffer.alloc(MAX_FRAME + 1)), /Max payload size exceeded/],
    [
      'a message in too many pieces',
      (ws: WebSocket) => {
        for (let i = 0; i < 6; i += 1) ws.send(Buffer.alloc(1), { fin: false });
      },
      /Too many message fragments/,
    ],
  ])('%s closes the connection, and other peers stay connected', async (_, send, words) => {
    const [a, b] = [await started('a'), await started('b')];
    introduce(a, b);
    const ws = dial(a);
    await once(ws, 'open');
    send(ws);
    await once(ws, 'close');
    expect(a.lines.filter(({ level }) => level === 'warn').map(({ text }) => text)).toEqual([
      expect.stringMatching(words),
    ]);
    expect(a.transport).toMatchObject({ refusals: { frame: 1 } });
    expect(a.received).toEqual([]);
    await b.reaches(a);
  });

  it('invalid bytes close only the connection that sent them', async () => {
    const [a, b] = [await started('a', { limits: { handshakeTimeoutMs: 300 } }), await started('b')];
    introduce(a, b);
    const upgrade = (extra: string): string =>
      `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${extra}\r\n`;
    const hello = Object.entries(good).map(([name, value]) => `${name}: ${value}\r\n`);
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';
    const raw = [
      Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) & 255)),
      '\r\n\r\n\r\n',
      'GET / HTTP/1.1\r\n\r\n',
      `GET / HTTP/1.1\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
      upgrade(''),
      upgrade(key),
      upgrade(`Sec-WebSocket-Protocol: kontiki.1\r\n${hello.join('')}`),
      upgrade(`${key}Sec-WebSocket-Protocol: kontiki.1\r\n${hello.join('')}${hello.join('')}`),
      upgrade(`${key}Sec-WebSocket-Protocol: kontiki.1\r\nSec-WebSocket-Key: short\r\n${hello.join('')}`),
      // Valid handshakes, followed by reserved bits, by an unmasked frame, or by a length of 2^63.
      `${upgrade(`${key}Sec-WebSocket-Protocol: kontiki.1\r\n${hello.join('')}`)}\xff\xff\xff`,
      `${upgrade(`${key}Sec-WebSocket-Protocol: kontiki.1\r\n${hello.join('')}`)}\x82\x01a`,
      Buffer.concat([
        Buffer.from(upgrade(`${key}Sec-WebSocket-Protocol: kontiki.1\r\n${hello.join('')}`)),
        Buffer.from([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
      ]),
    ];
    for (const bytes of raw) {
      const socket = createConnection(a.transport.port as number, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.write(bytes as string, 'latin1');
      await once(socket, 'close');
    }
    await b.reaches(a);
    expect(a.received.every(({ from }) => from === 'b')).toBe(true);
  });

  it('a message in too many chunks closes the connection', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    after(() => server.close());
    const a = await started('a', { server });
    const upgraded = once(server, 'upgrade');
    const headers = helloHeaders(client, 'a');
    const ws = new WebSocket(`ws://127.0.0.1:${a.transport.port}/kontiki`, 'kontiki.1', { headers });
    ws.on('error', () => {});
    await Promise.all([upgraded, once(ws, 'open')]);
    const [, socket] = (await upgraded) as [unknown, Socket];
    // The header of a message of 1 MiB, which then arrives byte by byte, as the network might
    // deliver it.
    socket.emit('data', Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]));
    const byte = Buffer.alloc(1);
    for (let i = 0; i < 16_384; i += 1) socket.emit('data', byte);
    expect(a.transport.refusals).toEqual({});
    socket.emit('data', byte);
    await once(ws, 'close');
    expect(a.logged(/Too many buffered chunks/)).toBe(true);
    expect(a.transport.refusals).toEqual({ frame: 1 });
  });

  it('connections without a handshake are closed at a limit or after a timeout', async () => {
    const a = await started('a', { limits: { unidentified: 4, handshakeTimeoutMs: 300 } });
    const closed: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      const socket = createConnection(a.transport.port as number, '127.0.0.1');
      after(() => socket.destroy());
      socket.on('error', () => {});
      socket.resume();
      socket.on('close', () => closed.push(i));
      await once(socket, 'connect');
    }
    await until(() => closed.length >= 4, 'the oldest four');
    expect(closed.slice(0, 4)).toEqual([0, 1, 2, 3]);
    const b = await started('b');
    introduce(a, b);
    await b.reaches(a);
    await until(() => closed.length === 8, 'the others, by the timeout');
  });

  it('a server beyond limits.connections is refused until another disconnects', async () => {
    const a = await started('a', { limits: { connections: 1 } });
    const first = dial(a);
    await once(first, 'open');
    const second = { ...client, server: 'y' };
    expect(await refusedReason(a, { headers: helloHeaders(second, 'a') })).toBe('busy');
    first.terminate();
    await until(() => a.lines.length > 0, 'a log line');
    const b = await started('b');
    b.transport.setPeers(new Map([['a', a.address]]));
    await b.reaches(a);
  });

  it('a member is accepted beyond limits.connections', async () => {
    const a = await started('a', { limits: { connections: 1 } });
    a.transport.setPeers(new Map([['y', 'ws://127.0.0.1:9']]));
    await once(dial(a), 'open');
    await once(dial(a, { headers: helloHeaders({ ...client, server: 'y' }, 'a') }), 'open');
  });

  it('a second connection from the same server replaces the first', async () => {
    const a = await started('a');
    const [first, second] = [dial(a), dial(a)];
    const closed = once(first, 'close');
    await once(second, 'open');
    await Promise.race([closed, once(second, 'close')]);
  });

  it('repeated refusals are logged once', async () => {
    const a = await started('a');
    for (let i = 0; i < 20; i += 1) await refusedReason(a, { headers: {} });
    expect(a.lines).toHaveLength(1);
  });
});

it('clients with 300 made-up ids cause only one log line per reason', async () => {
  const [a, b] = [await started('a'), await started('b')];
  introduce(a, b);
  for (let i = 0; i < 300; i += 1) {
    const ws = dial(a, { headers: helloHeaders({ ...client, server: `x${i}` }, 'a') });
    await once(ws, 'open');
    // Some peers send invalid data, some disconnect, and some connect a second time.
    if (i % 3 === 0) ws.send('hello');
    else if (i % 3 === 1) ws.close();
    else dial(a, { headers: helloHeaders({ ...client, server: `x${i}` }, 'a') });
    await once(ws, 'close');
  }
  const reasons = a.lines.filter(({ text }) => text.includes('x')).map(({ text }) => text.replace(/x\d+/, 'x'));
  expect(new Set(reasons).size).toBe(reasons.length);
  expect(reasons).toHaveLength(3);
  // Log lines about a member have topics of their own.
  await b.transport.close();
  await until(() => a.logged(/^b closed its connection/), 'the line about b');
});

describe('versions', () => {
  const { 'kontiki-framing': _, ...oldHello } = helloHeaders(client, 'a');

  it.each([
    ['version 1 to a client without a framing range', oldHello, 1],
    ['version 3 to a client that supports it', helloHeaders(client, 'a'), 3],
  ])('a server sends frames of %s', async (_text, headers, version) => {
    const a = await started('a');
    const ws = dial(a, { headers });
    await once(ws, 'open');
    ws.send(encodeFrame([numbered(1)], { version }));
    await until(() => a.tickets.includes(1), 'the message');
    a.transport.send('x', [numbered(2)]);
    const [data] = await once(ws, 'message');
    expect((data as Buffer)[4]).toBe(version);
  });

  it('messages of an unknown kind are skipped and reported once', async () => {
    const a = await started('a');
    const ws = dial(a);
    await once(ws, 'open');
    for (const ticket of [1, 2]) ws.send(frameOfUnknownKind(ticket));
    await until(() => a.tickets.includes(2), 'the messages');
    expect(a.tickets).toEqual([1, 2]);
    expect(a.lines.filter(({ text }) => /unknown kind 99/.test(text))).toHaveLength(1);
  });
});
