import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { Authority, tlsFor } from './certificates.js';
import { after, closed, sendRaw, type Started, until } from './servers.js';

const NOISE = 'noise\r\n\r\n';
const LARGE = `X: ${'y'.repeat(20_000)}\r\n`;

/**
 * Shows that a transport with its own port counts the requests that Node.js refuses. To a valid
 * request that does not come from a peer, the transport responds with `status`, and counts it under
 * `reason`.
 */
export function testRequests(started: Started, status: number, reason: string): void {
  it.each<[string, string, string, number | undefined]>([
    ['that is not HTTP', NOISE, 'http', 400],
    [
      'with two lengths',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
      'http',
      400,
    ],
    ['with too large headers', `POST / HTTP/1.1\r\nHost: a\r\n${LARGE}\r\n`, 'headers', 431],
    ['that is never complete', 'POST / HTTP/1.1\r\n', 'timeout', 408],
    ['for a tunnel', 'CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n', 'method', undefined],
  ])('a request %s is refused and counted', async (_, bytes, counted, answered) => {
    const a = await started('a', { limits: { handshakeTimeoutMs: 300 } });
    const socket = sendRaw(a, bytes);
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await closed(socket);
    expect(text.split(' ', 2)[1]).toBe(answered === undefined ? undefined : `${answered}`);
    expect(a.transport.refusals).toEqual({ [counted]: 1 });
    expect(a.lines).toMatchObject([{ level: 'warn', details: { reason: counted, from: '127.0.0.1' } }]);
  });

  it.each([
    ['with an unknown expectation', 'Host: a\r\nExpect: miracles\r\n'],
    ['without a host', ''],
  ])('a request %s is refused like any other', async (_, headers) => {
    const a = await started('a');
    const method = status === 405 ? 'POST' : 'GET';
    const socket = sendRaw(a, `${method} / HTTP/1.1\r\n${headers}Content-Length: 0\r\n\r\n`);
    await closed(socket);
    expect(a.transport.refusals).toEqual({ [reason]: 1 });
  });

  it('a client that disconnects in the middle of a request is not counted', async () => {
    const a = await started('a');
    const socket = sendRaw(a, 'POST / HTTP/1.1\r\nHost: a\r\n');
    await once(socket, 'connect');
    socket.end();
    await closed(socket);
    expect([a.transport.refusals, a.lines]).toEqual([{}, []]);
  });

  it('an invalid request that spans many TLS records is counted once', async () => {
    const { tls } = await tlsFor(await Authority.create(), 'a');
    const a = await started('a', { tls });
    const socket = connect({ ...tls, host: '127.0.0.1', port: a.transport.port, checkServerIdentity: () => undefined });
    socket.on('error', () => {});
    const ended = closed(socket.resume());
    await once(socket, 'secureConnect');
    socket.setMaxSendFragment(512);
    socket.write(NOISE.repeat(500));
    await ended;
    expect(a.transport.refusals).toEqual({ http: 1 });
  });

  it('a server with certificates counts a failed TLS handshake and an invalid request once', async () => {
    const { tls } = await tlsFor(await Authority.create(), 'a');
    const a = await started('a', { tls });
    await closed(sendRaw(a, NOISE));
    expect(a.transport.refusals).toEqual({ tls: 1 });
    const socket = connect({ ...tls, host: '127.0.0.1', port: a.transport.port, checkServerIdentity: () => undefined });
    socket.on('error', () => {});
    socket.resume().write(NOISE);
    await closed(socket);
    expect(a.transport.refusals).toEqual({ tls: 1, http: 1 });
  });
}

/** Shows that a transport counts the responses that Node.js refuses. */
export function testResponses(started: Started): void {
  it.each([
    ['that is not HTTP', NOISE, 'http'],
    ['with too large headers', `HTTP/1.1 200 OK\r\n${LARGE}\r\n`, 'headers'],
  ])('a response %s is counted as a refusal', async (_, bytes, counted) => {
    const a = await started('a');
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(bytes));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    after(() => server.close());
    a.transport.setPeers(new Map([['b', `http://127.0.0.1:${(server.address() as AddressInfo).port}`]]));
    await until(() => (a.transport.refusals[counted] ?? 0) > 0, 'a refusal');
    expect(Object.keys(a.transport.refusals)).toEqual([counted]);
  });
}
