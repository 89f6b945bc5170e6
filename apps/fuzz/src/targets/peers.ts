import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import type { Identity, Message, Transport } from '@kontiki/core';
import { encodeFrame } from '@kontiki/core/wire';
import { helloHeaders, type TransportOptions } from '@kontiki/peers';
import { HttpTransport } from '@kontiki/transport-http';
import { WebSocketTransport } from '@kontiki/transport-ws';
import { bytesOf, check, type Target } from '../target.js';
import { exchangeHttp } from './raw-server.js';

const self: Identity = { cluster: 'c-1', server: 'a', incarnation: 11, genesis: 5 };
const peer: Identity = { cluster: 'c-1', server: 'b', incarnation: 12, genesis: 5 };
const message: Message = { kind: 'commit', term: 3, incarnation: 12, committed: 4 };
const options: TransportOptions & { readonly listen: { readonly port: number } } = {
  listen: { port: 0 },
  limits: { pingIntervalMs: 50 },
};

/** Starts a transport once, and returns its port. */
class Server {
  readonly #create: () => Transport & { readonly port: number | undefined };
  #started: Promise<Transport & { readonly port: number | undefined }> | undefined;

  constructor(create: () => Transport & { readonly port: number | undefined }) {
    this.#create = create;
  }

  async port(): Promise<number> {
    this.#started ??= (async () => {
      const transport = this.#create();
      await transport.start(self, (from) => check(from !== 'a', 'no message comes from this server'));
      return transport;
    })();
    return (await this.#started).port as number;
  }

  async close(): Promise<void> {
    await (await this.#started)?.close();
  }
}

const head = (first: string, headers: Readonly<Record<string, string>>): Uint8Array =>
  bytesOf(
    `${[first, 'Host: a', ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)].join('\r\n')}\r\n\r\n`,
  );

const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

const post = (headers: Readonly<Record<string, string>>, body: Uint8Array): Uint8Array =>
  concat(head('POST / HTTP/1.1', { ...helloHeaders(peer, 'a'), 'content-length': `${body.length}`, ...headers }), body);

const upgrade = {
  ...helloHeaders(peer, 'a'),
  connection: 'upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': randomBytes(16).fill(7).toString('base64'),
  'sec-websocket-protocol': 'raft.v1',
};

/** Encodes a frame of the WebSocket protocol, as a client sends it. */
function webSocketFrame(opcode: number, payload: Uint8Array, length: number = payload.length): Uint8Array {
  const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff];
  return concat(Uint8Array.of(0x80 | opcode, ...size, 0, 0, 0, 0), payload);
}

const framing = fc
  .array(
    fc.constantFrom(
      ['content-length', '5'],
      ['content-length', '+5'],
      ['Content-Length', '0, 5'],
      ['transfer-encoding', 'chunked'],
      ['Transfer-Encoding', 'chunked, identity'],
      ['transfer-encoding', ' chunked'],
      ['expect', '100-continue'],
      ['origin', 'http://evil'],
      ['kontiki-poll', '1'],
      ['kontiki-framing', '1-99'],
      ['connection', 'keep-alive, upgrade'],
      ['__proto__', 'x'],
    ),
    { maxLength: 4 },
  )
  .map((headers) => Object.fromEntries(headers) as Record<string, string>);

const http = new Server(() => new HttpTransport(options));
const ws = new Server(() => new WebSocketTransport(options));
// Buffers of sockets.
const allocatedBytes = 16 * 1024 * 1024;

export const peerHttp: Target = {
  name: 'peer-http',
  about: 'the listener of @kontiki/transport-http, over raw sockets on this machine',
  seeds: () => [
    post({}, encodeFrame([message])),
    post({ 'kontiki-poll': '1' }, new Uint8Array(0)),
    concat(post({}, encodeFrame([message])), post({}, encodeFrame([message, message]))),
    concat(
      head('POST / HTTP/1.1', { ...helloHeaders(peer, 'a'), 'transfer-encoding': 'chunked' }),
      bytesOf('3\r\nabc\r\n0\r\n\r\n'),
    ),
  ],
  structured: fc.tuple(framing, fc.uint8Array({ maxLength: 40 })).map(([headers, body]) => post(headers, body)),
  run: async (input) => exchangeHttp(await http.port(), input),
  isExpected: () => false,
  allocatedBytes,
  close: () => http.close(),
};

export const peerWs: Target = {
  name: 'peer-ws',
  about: 'the listener of @kontiki/transport-ws, over raw sockets on this machine',
  seeds: () => {
    const accepted = head('GET / HTTP/1.1', upgrade);
    return [
      concat(accepted, webSocketFrame(2, encodeFrame([message]))),
      concat(accepted, webSocketFrame(9, bytesOf('ping')), webSocketFrame(8, Uint8Array.of(3, 232))),
      head('GET / HTTP/1.1', {}),
    ];
  },
  structured: fc
    .tuple(framing, fc.array(fc.tuple(fc.nat(15), fc.uint8Array({ maxLength: 40 }), fc.nat(65_535)), { maxLength: 3 }))
    .map(([headers, frames]) =>
      concat(
        head('GET / HTTP/1.1', { ...upgrade, ...headers }),
        ...frames.map(([opcode, payload, length]) =>
          webSocketFrame(opcode, payload, length % 7 === 0 ? length : payload.length),
        ),
      ),
    ),
  run: async (input) => exchangeHttp(await ws.port(), input),
  isExpected: () => false,
  allocatedBytes,
  close: () => ws.close(),
};
