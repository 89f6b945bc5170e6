import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import type { Message } from '@kontiki/core';
import { encodeFrame } from '@kontiki/core/wire';
import { helloHeaders, type PeerTransport, type Peer, type TransportOptions } from '@kontiki/peers';
import { HttpTransport } from '@kontiki/transport-http';
import { WebSocketTransport } from '@kontiki/transport-ws';
import { bytesOf, check, type Target } from '../target.js';
import { exchangeHttp } from './raw-server.js';
import { peer, self } from './samples.js';

const message: Message = { kind: 'commit', term: 3, incarnation: 12, committed: 4 };
const options: TransportOptions & { readonly listen: { readonly port: number } } = { listen: { port: 0 } };

/** A transport whose listener receives the inputs. The transport starts with the first input. */
class Server {
  readonly #create: () => PeerTransport<Peer>;
  readonly #status: number;
  readonly #turns: number;
  #started: Promise<PeerTransport<Peer>> | undefined;

  /**
   * `status` is the HTTP status of the response to an accepted request. `turns` is the number of
   * event loop turns to wait for a response.
   */
  constructor(create: () => PeerTransport<Peer>, status: number, turns: number) {
    this.#create = create;
    this.#status = status;
    this.#turns = turns;
  }

  /**
   * Sends an input. Returns true if the server accepts all requests in the input and all frames in
   * the requests.
   */
  async run(input: Uint8Array): Promise<boolean> {
    this.#started ??= this.#start();
    const transport = await this.#started;
    const before = transport.refusals;
    const statuses = await exchangeHttp(transport.port as number, input, {
      turns: this.#turns,
      // The server answers a poll of the peer when there is a message for the peer, or at the next
      // ping.
      onHalf: () => transport.send(peer.server, [message]),
    });
    return (
      statuses.length > 0 &&
      statuses.every((status) => status === this.#status) &&
      isDeepStrictEqual(transport.refusals, before)
    );
  }

  async #start(): Promise<PeerTransport<Peer>> {
    const transport = this.#create();
    await transport.start(self, (from) => check(from !== self.server, 'no message comes from this server'));
    return transport;
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

const hello = helloHeaders(peer, self.server);

/** Encodes a request. The server closes the connection after its response. */
const post = (headers: Readonly<Record<string, string>>, body: Uint8Array): Uint8Array =>
  concat(
    head('POST / HTTP/1.1', { ...hello, connection: 'close', 'content-length': `${body.length}`, ...headers }),
    body,
  );

/** The subprotocol of `@kontiki/transport-ws`, which does not export it. */
const SUBPROTOCOL = 'kontiki.1';

const upgrade = {
  ...hello,
  connection: 'upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': Buffer.alloc(16, 7).toString('base64'),
  'sec-websocket-protocol': SUBPROTOCOL,
};

/** Encodes a body as two chunks: one with the first byte, and one with the remaining bytes. */
function chunks(body: Uint8Array): Uint8Array {
  const chunk = (bytes: Uint8Array): Uint8Array =>
    concat(bytesOf(`${bytes.length.toString(16)}\r\n`), bytes, bytesOf('\r\n'));
  return concat(chunk(body.subarray(0, 1)), chunk(body.subarray(1)), chunk(body.subarray(body.length)));
}

/** Encodes a frame of the WebSocket protocol as a client would. */
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

const http = new Server(() => new HttpTransport(options), 200, 50);
const ws = new Server(() => new WebSocketTransport(options), 101, 0);
// The allocation limit of these targets, which includes the buffers of sockets.
const allocatedBytes = 16 * 1024 * 1024;

export const peerHttp: Target = {
  name: 'peer-http',
  about: 'the listener of @kontiki/transport-http, over raw sockets on this machine',
  seeds: () => [
    post({}, encodeFrame([message])),
    post({ 'kontiki-poll': '1' }, new Uint8Array(0)),
    concat(post({ connection: 'keep-alive' }, encodeFrame([message])), post({}, encodeFrame([message, message]))),
    concat(
      head('POST / HTTP/1.1', { ...hello, connection: 'close', 'transfer-encoding': 'chunked' }),
      chunks(encodeFrame([message])),
    ),
  ],
  structured: fc.tuple(framing, fc.uint8Array({ maxLength: 40 })).map(([headers, body]) => post(headers, body)),
  run: (input) => http.run(input),
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
    ];
  },
  structured: fc
    .tuple(
      fc.oneof({ weight: 9, arbitrary: fc.constant(upgrade) }, { weight: 1, arbitrary: fc.constant({}) }),
      framing,
      fc.array(fc.tuple(fc.nat(15), fc.uint8Array({ maxLength: 40 }), fc.nat(65_535)), { maxLength: 3 }),
    )
    .map(([request, headers, frames]) =>
      concat(
        head('GET / HTTP/1.1', { ...request, ...headers }),
        ...frames.map(([opcode, payload, length]) =>
          webSocketFrame(opcode, payload, length % 7 === 0 ? length : payload.length),
        ),
      ),
    ),
  run: (input) => ws.run(input),
  isExpected: () => false,
  allocatedBytes,
  close: () => ws.close(),
};
