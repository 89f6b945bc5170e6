import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import { helloHeaders } from '@kontiki/peers';
import { encodeFrame, MAX_FRAME } from '@kontiki/core/wire';
import { type Credentials, STRANGERS } from './credentials.js';

/** A port under attack, and the credentials and recorded bytes that the attackers have. */
export interface Target {
  readonly port: number;
  readonly server: string;
  readonly kind: 'ws' | 'http';
  readonly credentials: Credentials;
  /** The bytes that a client with valid credentials sent in an earlier TLS handshake. */
  readonly recorded: Uint8Array | undefined;
}

/**
 * Opens a connection and misuses it. Resolves when the connection has ended, or after a time limit.
 */
export type Attack = (target: Target) => Promise<void>;

/** An attack on one connection, and the reason why the server refuses the connection. */
export interface Refused {
  readonly attack: Attack;
  readonly reason: string;
}

/**
 * How long, in milliseconds, an attack keeps its connection open if the server does not close it.
 */
const PATIENCE_MS = 5_000;

type Headers = Readonly<Record<string, string>>;

const sockets = new Set<Socket>();

/** Ends all attacks in progress. */
export function endAttacks(): void {
  for (const socket of sockets) socket.destroy();
}

/**
 * Number of connections that the attacks have opened, and number of bytes that they sent on
 * connections that have ended.
 */
export const sent = { connections: 0, bytes: 0 };

function ended(socket: Socket): Promise<void> {
  sent.connections += 1;
  sockets.add(socket);
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.on('error', () => {});
    socket.resume();
    socket.on('close', () => {
      clearTimeout(timer);
      sockets.delete(socket);
      sent.bytes += socket.bytesWritten;
      resolve();
    });
  });
}

/** Connects without TLS, and sends bytes. */
const plain =
  (bytes: () => Uint8Array | string): Attack =>
  ({ port }) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.write(bytes());
    return ended(socket);
  };

/**
 * Connects, with TLS unless `options` is undefined, and calls `act` when the connection is open.
 */
function open(port: number, options: ConnectionOptions | undefined, act: (socket: Socket) => void): Socket {
  const host = '127.0.0.1';
  if (options === undefined) {
    const socket = createConnection(port, host);
    return socket.on('connect', () => act(socket));
  }
  const socket = connect({ port, host, rejectUnauthorized: false, checkServerIdentity: () => undefined, ...options });
  return socket.on('secureConnect', () => act(socket));
}

let next = 0;

/** Returns the number of the next stranger. A stranger is a server that no membership names. */
function nextStranger(): number {
  next = (next + 1) % STRANGERS;
  return next;
}

/** Returns a stranger's handshake with some of its headers replaced. */
function handshake({ kind, server }: Target, stranger: number, headers: Headers = {}, method?: string): string {
  const identity = {
    cluster: 'c-1',
    server: `s${stranger}`,
    incarnation: stranger + 1,
    genesis: undefined,
    epoch: undefined,
  };
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    'sec-websocket-protocol': 'kontiki.1',
  };
  const all = { host: 'x', ...helloHeaders(identity, server), ...(kind === 'ws' ? upgrade : {}), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method ?? (kind === 'ws' ? 'GET' : 'POST')} / HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** Completes the TLS handshake as a stranger, sends `headers`, then calls `act`. */
const asStranger =
  (
    headers: Headers | ((target: Target) => Headers),
    act: (socket: Socket, target: Target) => void = () => {},
  ): Attack =>
  (target) => {
    const stranger = nextStranger();
    return ended(
      open(target.port, target.credentials.client(stranger), (socket) => {
        const changes = typeof headers === 'function' ? headers(target) : headers;
        socket.write(handshake(target, stranger, changes), 'latin1');
        act(socket, target);
      }),
    );
  };

/** Completes the TLS handshake as a stranger, and sends a request. */
const request = (text: (target: Target) => string): Attack => {
  return (target) => {
    const options = target.credentials.client(nextStranger());
    return ended(open(target.port, options, (socket) => socket.write(text(target), 'latin1')));
  };
};

/** Connects with wrong credentials, and sends a handshake in case the server accepts them. */
export const intrude =
  (options: ConnectionOptions | undefined): Attack =>
  (target) =>
    ended(open(target.port, options, (socket) => socket.write(handshake(target, nextStranger()))));

/** Sends the recorded handshake again. */
export const replay: Attack = (target) => plain(() => target.recorded ?? '')(target);

/**
 * Records the bytes of a client that completes the TLS handshake and then its own handshake as a
 * stranger.
 */
export async function record(target: Omit<Target, 'recorded'>): Promise<Uint8Array | undefined> {
  const options = target.credentials.client(0);
  if (options === undefined) return undefined;
  const sent: Buffer[] = [];
  const proxy = createServer((near) => {
    const far = createConnection(target.port, '127.0.0.1');
    for (const socket of [near, far]) socket.on('error', () => {});
    near.on('data', (bytes) => sent.push(bytes));
    near.pipe(far).pipe(near);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const client = open((proxy.address() as AddressInfo).port, options, (socket) =>
    socket.write(handshake({ ...target, recorded: undefined }, 0, { 'content-length': '0' })),
  );
  const [answer] = (await once(client, 'data')) as [Buffer];
  client.destroy();
  proxy.close();
  const [line] = answer.toString('latin1').split('\r\n');
  if (!/^HTTP\/1\.1 (101|200) /.test(line ?? '')) throw new Error(`The recorded handshake was refused: ${line}`);
  return Buffer.concat(sent);
}

/** Returns the header of a binary WebSocket message with a mask of zeros. */
function wsHeader(length: number, first = 0x82): Buffer {
  const header = Buffer.alloc(14);
  header[0] = first;
  header[1] = 0xff;
  header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}

/** Returns bytes that the server parses as the start of a body or of a message. */
function message(kind: Target['kind'], body: Uint8Array): Buffer {
  return kind === 'ws' ? Buffer.concat([wsHeader(body.length), body]) : Buffer.from(body);
}

const chunked = { 'transfer-encoding': 'chunked' };

/** Handshakes that differ from a valid one, each with the reason why the server refuses it. */
const handshakes: readonly (readonly [reason: string, headers: Headers | ((target: Target) => Headers)])[] = [
  ['cluster', { 'kontiki-cluster': 'c-2' }],
  ['version', { 'kontiki-version': '2' }],
  // A control character that HTTP allows and that starts a terminal command.
  ['version', { 'kontiki-version': '\u009b2J forged' }],
  ['malformed', { 'kontiki-incarnation': '0' }],
  ['malformed', { 'kontiki-from': '__proto__/../a' }],
  ['receiver', { 'kontiki-to': 'd' }],
  ['self', ({ server }) => ({ 'kontiki-from': server })],
  ['genesis', { 'kontiki-genesis': '1' }],
  ['browser', { origin: 'http://a' }],
];

/** Requests that a proxy and the server could interpret differently. */
const smuggled: readonly Headers[] = [
  { 'content-length': '5', ...chunked },
  { 'content-length': '5', 'Content-Length': '6' },
  { 'content-length': '+5' },
  { 'content-length ': '5' },
  { 'transfer-encoding': 'chunked, identity' },
  { 'content-length': '5\n6' },
];

/** Returns attacks on one connection, each with the reason why a server refuses it. */
export function refused({ kind, credentials }: Pick<Target, 'kind' | 'credentials'>): Refused[] {
  const hasTls = credentials.client(0) !== undefined;
  const other: readonly Refused[] =
    kind === 'ws'
      ? [
          { reason: 'upgrade', attack: request(() => 'POST / HTTP/1.1\r\nhost: x\r\n\r\n') },
          { reason: 'path', attack: request((t) => handshake(t, 1).replace(' / ', ' /admin ')) },
          { reason: 'frame', attack: asStranger({}, (socket) => socket.write(wsHeader(2 ** 40))) },
          // Send a message in fragments of one byte.
          {
            reason: 'frame',
            attack: asStranger({}, (socket) =>
              socket.write(Buffer.concat(Array(5_000).fill(Buffer.from([0x02, 0x80, 0, 0, 0, 0])))),
            ),
          },
        ]
      : [
          { reason: 'method', attack: request((t) => handshake(t, 1, {}, 'GET')) },
          { reason: 'frame', attack: asStranger({ 'content-length': `${2 ** 40}` }, (socket) => socket.write('x')) },
        ];
  return [
    ...credentials.wrong.map(({ options, reason }) => ({ reason, attack: intrude(options) })),
    ...(hasTls ? [{ reason: 'tls', attack: replay }] : []),
    { reason: hasTls ? 'tls' : 'http', attack: plain(() => Buffer.concat([Buffer.from('\0'), randomBytes(2_000)])) },
    ...handshakes.map(([reason, headers]) => ({ reason, attack: asStranger(headers) })),
    ...smuggled.map((headers) => ({
      reason: 'http',
      attack: asStranger(headers, (socket) => socket.write('0\r\n\r\nPOST / HTTP/1.1\r\nhost: x\r\n\r\n')),
    })),
    { reason: 'headers', attack: asStranger({ x: 'x'.repeat(10_000) }) },
    {
      reason: 'frame',
      attack: asStranger({ 'content-length': kind === 'ws' ? '0' : '500' }, (socket) =>
        socket.write(message(kind, randomBytes(500))),
      ),
    },
    ...other,
  ];
}

/** Opens more connections than a server allows before the handshake, and sends nothing. */
export const halfOpen: Attack = async (target) => {
  await Promise.all(Array.from({ length: 80 }, () => plain(() => '')(target)));
};

/**
 * Connects more servers of the cluster than a server accepts if no membership names them. Their
 * number is below the limit for connections without a handshake, so all of them can complete it.
 */
export const strangers: Attack = async (target) => {
  await Promise.all(Array.from({ length: 50 }, () => asStranger({ 'content-length': '0' })(target)));
};

/**
 * Attacks that keep their connections open. The server limits the number of such connections, but
 * need not refuse each one.
 */
export const floods: readonly Attack[] = [
  halfOpen,
  // Send headers too slowly.
  (target) => {
    const socket = open(target.port, target.credentials.client(0), () => {
      socket.write(target.kind === 'ws' ? 'GET / HTTP/1.1\r\n' : 'POST / HTTP/1.1\r\n');
      const timer = setInterval(() => socket.write('x'), 200);
      socket.on('close', () => clearInterval(timer));
    });
    return ended(socket);
  },
  // Send frames of tiny messages.
  asStranger(
    ({ kind }) => (kind === 'ws' ? {} : chunked),
    (socket, { kind }) => {
      const ask = { kind: 'readIndex', term: 0, incarnation: 1, ticket: 1 } as const;
      const frame = encodeFrame(Array.from({ length: 20_000 }, () => ask));
      socket.write(kind === 'ws' ? message(kind, frame) : `${frame.length.toString(16)}\r\n`);
      if (kind === 'http') socket.write(Buffer.concat([frame, Buffer.from('\r\n0\r\n\r\n')]));
    },
  ),
  // Send a body in chunks of one byte.
  asStranger(
    ({ kind }) => (kind === 'ws' ? {} : chunked),
    (socket, { kind }) => {
      socket.write(kind === 'ws' ? wsHeader(5, 0x02) : '1\r\nx\r\n'.repeat(50_000));
    },
  ),
  // Send a message of the maximum size too slowly.
  asStranger(
    ({ kind }) => (kind === 'ws' ? {} : { 'content-length': `${MAX_FRAME}` }),
    (socket, { kind }) => {
      if (kind === 'ws') socket.write(wsHeader(MAX_FRAME));
      const timer = setInterval(() => socket.write('x'), 50);
      socket.on('close', () => clearInterval(timer));
    },
  ),
];
