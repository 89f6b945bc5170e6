// Shows that invalid requests are refused and have no effect. Raw sockets and a plain HTTP client
// act as the other side.
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { encodeFrame, MAX_FRAME } from '@kontiki/core/wire';
import { helloHeaders } from '@kontiki/peers';
import { testHandshakes } from '../../peers/test/transports/handshakes.js';
import { testRequests } from '../../peers/test/transports/requests.js';
import {
  after,
  append,
  client,
  closed,
  frameOfUnknownKind,
  heldBytes,
  introduce,
  numbered,
  sendRaw,
  started,
  type TestServer,
  until,
} from './servers.js';

testHandshakes(started);
testRequests(started, 405, 'version');

interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends a request with a plain HTTP client. The default handshake is valid. */
async function ask(
  { id, transport }: TestServer,
  { method = 'POST', headers = helloHeaders(client, id), body }: Ask = {},
): Promise<Answer> {
  const asked = request({ host: '127.0.0.1', port: transport.port, method, headers, agent: false }).end(body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

function head(server: TestServer, ...extra: readonly string[]): string {
  const hello = Object.entries(helloHeaders(client, server.id)).map(([name, value]) => `${name}: ${value}`);
  return `${['POST / HTTP/1.1', 'Host: a', ...hello, ...extra].join('\r\n')}\r\n\r\n`;
}

const warnings = ({ lines }: TestServer): string[] =>
  lines.filter(({ level }) => level === 'warn').map(({ text }) => text);

it('clients with 300 made-up ids cause only one log line per reason', async () => {
  const [a, b] = [await started('a', { limits: { pingIntervalMs: 50 } }), await started('b')];
  introduce(a, b);
  await b.reaches(a);
  for (let i = 0; i < 300; i += 1) {
    const incarnation = 1 + (i % 2);
    const headers = helloHeaders({ ...client, server: `x${i >> 1}`, incarnation }, 'a');
    await ask(a, { headers, body: Buffer.from('noise') });
  }
  await until(() => a.logged(/x\d+ is silent/), 'the line about a silent client');
  const reasons = a.lines.filter(({ text }) => text.includes('x')).map(({ text }) => text.replace(/x\d+/, 'x'));
  expect(new Set(reasons).size).toBe(reasons.length);
  expect(reasons).toHaveLength(3);
  // Log lines about a member have topics of their own.
  await b.transport.close();
  await until(() => a.logged(/^b is silent/), 'the line about b');
});

describe('inbound requests', () => {
  const good = helloHeaders(client, 'a');
  const changed = (name: string, value: string): Record<string, string> => ({ ...good, [name]: value });

  it.each<[string, Ask, string]>([
    ['no handshake', { headers: {} }, 'version'],
    ['another version', { headers: changed('kontiki-version', '2') }, 'version'],
    ['the Origin header of a browser', { headers: changed('origin', 'https://example.com') }, 'browser'],
    ['an invalid cluster id', { headers: changed('kontiki-cluster', 'a b') }, 'malformed'],
    ['an incarnation of 0', { headers: changed('kontiki-incarnation', '0') }, 'malformed'],
    ['a handshake for another server', { headers: changed('kontiki-to', 'b') }, 'receiver'],
    ['the id of another cluster', { headers: changed('kontiki-cluster', 'c-2') }, 'cluster'],
  ])('a request with %s is refused, with the reason in the response', async (_, options, reason) => {
    const a = await started('a');
    const { status, headers } = await ask(a, { ...options, body: encodeFrame([numbered(1)]) });
    expect([status, headers['kontiki-refused']]).toEqual([400, reason]);
    expect(warnings(a)).toHaveLength(1);
    expect(a.received).toEqual([]);
  });

  it('a response to a valid request contains the handshake of this server', async () => {
    const a = await started('a');
    const { status, headers } = await ask(a, { body: encodeFrame([numbered(1)]) });
    expect([status, headers['kontiki-from'], headers['kontiki-to']]).toEqual([200, 'a', 'x']);
    expect(a.tickets).toEqual([1]);
  });

  it('methods other than POST are answered with 405', async () => {
    const a = await started('a');
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const { status, headers } = await ask(a, { method });
      expect([status, headers.allow]).toEqual([405, 'POST']);
    }
    expect(a.transport.refusals).toEqual({ method: 3 });
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['noise', Buffer.from('not a frame, though of some length'), /frame/],
    ['an unknown group', encodeFrame([numbered(1)], { group: 1 }), /unknown group 1/],
    ['half a frame', encodeFrame([numbered(1)]).subarray(0, 20), /frame/],
  ])('a body of %s is answered with 400, and other peers stay connected', async (_, body, words) => {
    const [a, b] = [await started('a'), await started('b')];
    introduce(a, b);
    expect((await ask(a, { body })).status).toBe(400);
    expect(warnings(a)).toEqual([expect.stringMatching(words)]);
    expect(a.transport).toMatchObject({ refusals: { frame: 1 } });
    expect(a.received).toEqual([]);
    await b.reaches(a);
  });

  it('a body announced as larger than a frame is refused before it is received', async () => {
    const a = await started('a');
    const socket = sendRaw(a, head(a, `Content-Length: ${MAX_FRAME + 1}`));
    const [bytes] = (await once(socket, 'data')) as [Buffer];
    expect(bytes.toString()).toMatch(/^HTTP\/1\.1 413 /);
    await closed(socket);
    expect(warnings(a)).toEqual([expect.stringMatching(/exceeds the maximum frame size/)]);
    expect(a.transport).toMatchObject({ refusals: { frame: 1 } });
  });

  it('a chunked body larger than a frame is refused before it is complete', async () => {
    const a = await started('a');
    const socket = sendRaw(a, head(a, 'Transfer-Encoding: chunked'));
    let sent = 0;
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const more = (): void => {
      for (; !socket.destroyed && sent < 20 * MAX_FRAME; sent += 0x10000) if (!socket.write(chunk)) break;
    };
    socket.on('drain', more);
    more();
    await closed(socket);
    expect(sent).toBeLessThan(20 * MAX_FRAME);
    expect(warnings(a)).toEqual([expect.stringMatching(/exceeds the maximum frame size/)]);
  });

  it('a body with chunked encoding is accepted', async () => {
    const a = await started('a');
    const frame = Buffer.from(encodeFrame([numbered(7)]));
    const [one, two] = [frame.subarray(0, 9), frame.subarray(9)];
    const part = (bytes: Buffer): string => `${bytes.length.toString(16)}\r\n${bytes.toString('latin1')}\r\n`;
    sendRaw(a, `${head(a, 'Transfer-Encoding: chunked')}${part(one)}${part(two)}0\r\n\r\n`);
    await until(() => a.tickets.includes(7), 'the message');
  });

  it('an incomplete body is dropped when its connection closes or times out', async () => {
    const a = await started('a', { limits: { pingIntervalMs: 20, handshakeTimeoutMs: 200 } });
    const frame = Buffer.from(encodeFrame([numbered(1)])).toString('latin1');
    const half = `${head(a, `Content-Length: ${frame.length}`)}${frame.slice(0, 30)}`;
    const cut = sendRaw(a, half);
    await once(cut, 'connect');
    cut.end();
    await closed(sendRaw(a, half));
    // The body is longer than announced. The excess bytes are not a valid request.
    const tooLong = sendRaw(a, `${head(a, 'Content-Length: 10')}${frame}`);
    await closed(tooLong);
    const b = await started('b');
    introduce(a, b);
    await b.reaches(a);
    expect(a.tickets).not.toContain(1);
  });

  it('a connection that sends headers too slowly is closed', async () => {
    const a = await started('a', { limits: { handshakeTimeoutMs: 300 } });
    const socket = sendRaw(a, 'POST / HTTP/1.1\r\n');
    const drip = setInterval(() => socket.write('X: y\r\n'), 20);
    after(() => clearInterval(drip));
    await closed(socket);
  });

  it('a connection that sends a body byte by byte is closed', async () => {
    const a = await started('a', { limits: { pingIntervalMs: 20 } });
    const socket = sendRaw(a, head(a, 'Content-Length: 100000'));
    const drip = setInterval(() => socket.write('x'), 10);
    after(() => clearInterval(drip));
    await closed(socket);
    expect(a.received).toEqual([]);
  });

  it('ambiguous requests that could smuggle another request are refused', async () => {
    const [a, b] = [
      await started('a', { limits: { handshakeTimeoutMs: 300, pingIntervalMs: 20 } }),
      await started('b'),
    ];
    introduce(a, b);
    const frame = Buffer.from(encodeFrame([numbered(1)])).toString('latin1');
    const [length, chunked] = [`Content-Length: ${frame.length}`, 'Transfer-Encoding: chunked'];
    const smuggled = [
      head(a, length, chunked),
      head(a, chunked, length),
      head(a, length, 'Content-Length: 3'),
      head(a, 'Content-Length: +5'),
      head(a, 'Content-Length: 0x10'),
      head(a, 'Transfer-Encoding: chunked, identity'),
      head(a, `X: y\r\n ${length}`),
      head(a, length).replaceAll('\r\n', '\n'),
      `${head(a, chunked)}-1\r\n`,
      `${head(a, chunked)}fffffffffffffffff\r\n`,
      'POST / HTTP/1.1\r\n\r\n',
      `${'z'.repeat(20_000)}\r\n\r\n`,
      `POST / HTTP/1.1\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`,
      String.fromCharCode(...Array.from({ length: 5000 }, (_, i) => (i * 7919) & 255)),
    ];
    for (const bytes of smuggled) await closed(sendRaw(a, `${bytes}${frame}`));
    await b.reaches(a);
    expect(a.received.every(({ from }) => from === 'b')).toBe(true);
  });

  it('connections without a handshake are closed at a limit or after a timeout', async () => {
    const a = await started('a', { limits: { unidentified: 4, handshakeTimeoutMs: 300 } });
    const closedOrder: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      const socket = sendRaw(a, '');
      socket.on('close', () => closedOrder.push(i));
      await once(socket, 'connect');
    }
    await until(() => closedOrder.length >= 4, 'the oldest four');
    expect(closedOrder.slice(0, 4)).toEqual([0, 1, 2, 3]);
    const b = await started('b');
    introduce(a, b);
    await b.reaches(a);
    await until(() => closedOrder.length === 8, 'the others, by the timeout');
  });

  it('a server beyond limits.connections is refused until another becomes silent', async () => {
    const a = await started('a', { limits: { connections: 1, pingIntervalMs: 50 } });
    expect((await ask(a)).status).toBe(200);
    const second = { headers: helloHeaders({ ...client, server: 'y' }, 'a') };
    expect((await ask(a, second)).headers['kontiki-refused']).toBe('busy');
    expect((await ask(a)).status).toBe(200);
    await until(() => a.logged(/x is silent/), 'the silence');
    expect((await ask(a, second)).status).toBe(200);
  });

  it('a member is accepted beyond limits.connections', async () => {
    const a = await started('a', { limits: { connections: 1 } });
    a.transport.setPeers(new Map([['y', 'http://127.0.0.1:9']]));
    expect((await ask(a)).status).toBe(200);
    expect((await ask(a, { headers: helloHeaders({ ...client, server: 'y' }, 'a') })).status).toBe(200);
  });

  it('a connection beyond four per server closes the least recently used one', async () => {
    const a = await started('a', { limits: { connections: 1 } });
    const text = head(a, 'Content-Length: 0');
    const sockets: Socket[] = [];
    for (let i = 0; i < 4; i += 1) await once((sockets[i] = sendRaw(a, text)), 'data');
    const [first, second] = sockets as [Socket, Socket];
    first.write(text);
    await once(first, 'data');
    expect(a.transport.refusals).toEqual({});
    const end = closed(second);
    await once(sendRaw(a, text), 'data');
    await end;
    expect(a.transport.refusals).toEqual({ busy: 1 });
    expect(first.destroyed).toBe(false);
  });

  it('a silent server is removed, and messages for it are dropped', async () => {
    const a = await started('a', { limits: { pingIntervalMs: 20 } });
    await ask(a);
    await until(() => a.logged(/x is silent/), 'the silence');
    const before = heldBytes();
    for (let index = 1; index <= 5; index += 1) a.transport.send('x', [append(index, 1_000_000)]);
    expect(heldBytes() - before).toBeLessThan(1_000_000);
  });

  it('a ninth request from one peer closes the oldest request', async () => {
    const a = await started('a');
    const closedOrder: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      const socket = sendRaw(a, `${head(a, 'Content-Length: 1000')}x`);
      socket.on('close', () => closedOrder.push(i));
      await once(socket, 'connect');
      // Make sure that the requests arrive in this order.
      await ask(a, { method: 'GET' });
    }
    await until(() => closedOrder.length >= 2, 'the oldest two');
    expect(closedOrder).toEqual([0, 1]);
  });

  it('a client that reads no responses uses bounded memory and delays no peer', async () => {
    const [a, b] = [await started('a', { limits: { pingIntervalMs: 20 } }), await started('b')];
    introduce(a, b);
    // The client has no address, so messages for it are sent in responses, which it does not read.
    const socket = createConnection(a.transport.port as number, '127.0.0.1');
    after(() => socket.destroy());
    socket.on('error', () => {});
    const end = closed(socket);
    socket.pause();
    socket.write(head(a, 'Content-Length: 0', 'Kontiki-Poll: 1'));
    let index = 0;
    await until(() => {
      a.transport.send('x', [append((index += 1), 3_000_000)]);
      return a.logged(/dropped a message to x/);
    }, 'the queue to be full');
    await b.reaches(a);
    await a.reaches(b);
    await until(() => a.logged(/x is silent/), 'the client to be dropped');
    socket.resume();
    await end;
  });

  it('repeated refusals are logged once', async () => {
    const a = await started('a');
    for (let i = 0; i < 20; i += 1) await ask(a, { headers: {} });
    expect(a.lines).toHaveLength(1);
  });
});

describe('versions', () => {
  const { 'kontiki-framing': _, ...oldHello } = helloHeaders(client, 'a');

  it.each([
    ['version 1 to a client without a framing range', oldHello, 1],
    ['version 3 to a client that supports it', helloHeaders(client, 'a'), 3],
  ])('a server answers with frames of %s', async (_text, headers, version) => {
    const a = await started('a');
    await ask(a, { headers });
    a.transport.send('x', [numbered(2)]);
    const { body } = await ask(a, { headers, body: encodeFrame([numbered(1)], { version }) });
    expect(a.tickets).toEqual([1]);
    expect(body[4]).toBe(version);
  });

  it('messages of an unknown kind are skipped and reported once', async () => {
    const a = await started('a');
    for (const ticket of [1, 2]) await ask(a, { body: frameOfUnknownKind(ticket) });
    expect(a.tickets).toEqual([1, 2]);
    expect(a.lines.filter(({ text }) => /unknown kind 99/.test(text))).toHaveLength(1);
  });
});
