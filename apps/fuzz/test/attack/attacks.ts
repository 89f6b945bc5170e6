import { randomBytes } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import { helloHeaders, type PeerTls } from '@kontiki/peers';
import { encodeFrame, MAX_FRAME } from '@kontiki/core/wire';

/** A port under attack, and the material that the attackers have. */
export interface Target {
  readonly port: number;
  readonly server: string;
  readonly kind: 'ws' | 'http';
  /** A valid certificate with the names of a thousand servers `s0`… of this cluster. */
  readonly member: PeerTls;
  /** Certificates that must not be accepted. */
  readonly wrong: readonly PeerTls[];
}

/** Opens a connection and does something bad. Resolves when the connection has ended, or after a while. */
export type Attack = (target: Target) => Promise<void>;

/** How long an attack that waits keeps its connection. */
const PATIENCE_MS = 2_000;

function ended(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.on('error', () => {});
    socket.resume();
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const plain =
  (bytes: () => Uint8Array | string): Attack =>
  ({ port }) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.write(bytes());
    return ended(socket);
  };

function secure(port: number, options: ConnectionOptions): ReturnType<typeof connect> {
  return connect({ port, host: '127.0.0.1', checkServerIdentity: () => undefined, ...options });
}

let stranger = 0;

/** The handshake of a server that the certificate names. Each call uses another of the thousand names. */
function handshake({ kind, server }: Target, headers: Readonly<Record<string, string>> = {}): string {
  stranger = (stranger + 1) % 1_000;
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
  return `${kind === 'ws' ? 'GET' : 'POST'} / HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** Completes the handshake as a server of the cluster, then calls `act`. */
const asMember =
  (act: (socket: Socket, target: Target) => void, headers?: Readonly<Record<string, string>>): Attack =>
  (target) => {
    const socket = secure(target.port, { ...target.member, ca: target.member.ca as string });
    socket.on('secureConnect', () => {
      socket.write(handshake(target, headers));
      act(socket, target);
    });
    return ended(socket);
  };

/** The header of a binary WebSocket message with a zero mask. */
function wsHeader(length: number, first = 0x82): Buffer {
  const header = Buffer.alloc(14);
  header[0] = first;
  header[1] = 0xff;
  header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}

/** Bytes that the server takes for the start of a body or of a message. */
function message(kind: Target['kind'], body: Uint8Array): Buffer {
  return kind === 'ws' ? Buffer.concat([wsHeader(body.length), body]) : Buffer.from(body);
}

const chunked = { 'transfer-encoding': 'chunked' };

export const attacks: Readonly<Record<string, Attack>> = {
  'random bytes': plain(() => randomBytes(2_000)),
  'half-open connections': plain(() => ''),
  'HTTP without TLS': plain(() => 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
  'TLS without a certificate': ({ port }) => ended(secure(port, { rejectUnauthorized: false })),
  'wrong certificates': async (target) => {
    await Promise.all(
      target.wrong.map((tls) => {
        const socket = secure(target.port, { ...tls, ca: target.member.ca as string });
        socket.on('secureConnect', () => socket.write(handshake(target)));
        return ended(socket);
      }),
    );
  },
  'a wrong key': ({ port }) =>
    ended(
      secure(port, {
        maxVersion: 'TLSv1.2',
        ciphers: 'PSK+HIGH',
        pskCallback: () => ({ psk: randomBytes(32), identity: 'x' }),
      }),
    ),
  'another cluster': asMember(() => {}, { 'kontiki-cluster': 'c-2' }),
  'a thousand strangers': asMember(() => {}, { 'content-length': '0' }),
  'oversized lengths': asMember((socket, { kind }) => socket.write(kind === 'ws' ? wsHeader(2 ** 40) : 'x'), {
    'content-length': `${2 ** 40}`,
  }),
  'invalid frames': asMember((socket, { kind }) => socket.write(message(kind, randomBytes(500))), {
    'content-length': '500',
  }),
  'frames of tiny messages': asMember((socket, { kind }) => {
    const ask = { kind: 'readIndex', term: 0, incarnation: 1, ticket: 1 } as const;
    const frame = encodeFrame(Array.from({ length: 20_000 }, () => ask));
    socket.write(kind === 'ws' ? message(kind, frame) : `${frame.length.toString(16)}\r\n`);
    if (kind === 'http') socket.write(Buffer.concat([frame, Buffer.from('\r\n0\r\n\r\n')]));
  }, chunked),
  'one-byte chunks': asMember((socket, { kind }) => {
    socket.write(
      kind === 'ws'
        ? Buffer.concat(Array(5_000).fill(Buffer.from([0x02, 0x80, 0, 0, 0, 0])))
        : '1\r\nx\r\n'.repeat(50_000),
    );
  }, chunked),
  'slow senders': asMember(
    (socket, { kind }) => {
      if (kind === 'ws') socket.write(wsHeader(MAX_FRAME));
      const timer = setInterval(() => socket.write('x'), 50);
      socket.on('close', () => clearInterval(timer));
    },
    { 'content-length': `${MAX_FRAME}` },
  ),
  'smuggled requests': asMember((socket) => socket.write('0\r\n\r\nPOST / HTTP/1.1\r\nhost: x\r\n\r\n'), {
    'content-length': '5',
    ...chunked,
  }),
  'forged log lines': asMember(() => {}, { 'kontiki-version': '2\u001b[2J forged' }),
};
