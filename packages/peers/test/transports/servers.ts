import { crc32, encodeFrame, frameLength } from '@kontiki/core/wire';
import { EventEmitter, once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, vi } from 'vitest';
import type { Identity, Logger, Message, Received, ServerId, Transport } from '@kontiki/core';
import type { ListenOptions, TransportOptions } from '@kontiki/peers';
import { Proxy } from './proxy.js';

vi.setConfig({ testTimeout: 30_000 });

const toClose: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

/** Registers a function to run after the test. The functions run in reverse order. */
export function after(close: () => unknown): void {
  toClose.push(close);
}

/** Resolves when `condition` returns true. Rejects after `deadline` milliseconds. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  deadline = 15_000,
): Promise<void> {
  const end = performance.now() + deadline;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Returns the total size of all buffers that are still referenced. */
export function heldBytes(): number {
  gc();
  gc();
  return process.memoryUsage().arrayBuffers;
}

/** A log line. */
export interface Line {
  readonly level: keyof Logger;
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>> | undefined;
}

/** A transport that listens on a port. */
export type Listening = Transport & Required<Pick<Transport, 'refusals'>> & { readonly port: number | undefined };

type Args = [
  id: ServerId,
  options?: TransportOptions & { readonly listen?: ListenOptions },
  identity?: Partial<Identity>,
];

/** Creates a server that uses the transport under test, by default on its own port. */
export type Created = (...args: Args) => TestServer;
/** Creates a server and starts its transport. */
export type Started = (...args: Args) => Promise<TestServer>;

/**
 * A server's transport, together with the messages that it received and the lines that it logged.
 */
export class TestServer<T extends Listening = Listening> extends EventEmitter {
  readonly transport: T;
  readonly received: { from: ServerId; message: Received }[] = [];
  readonly lines: Line[] = [];
  readonly id: ServerId;
  readonly scheme: string;
  identity: { -readonly [key in keyof Identity]: Identity[key] };

  constructor(id: ServerId, scheme: string, make: (logger: Logger) => T, identity: Partial<Identity> = {}) {
    super();
    this.id = id;
    this.scheme = scheme;
    this.identity = {
      cluster: 'c-1',
      server: id,
      incarnation: incarnations++,
      genesis: undefined,
      epoch: undefined,
      ...identity,
    };
    const log =
      (level: keyof Logger) =>
      (text: string, details?: Readonly<Record<string, unknown>>): void => {
        this.lines.push({ level, text, details });
      };
    this.transport = make({ debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') });
  }

  get address(): string {
    return `${this.scheme}://127.0.0.1:${this.transport.port}`;
  }

  async start(): Promise<this> {
    after(() => this.transport.close());
    await this.transport.start(this.identity, (from, message) => {
      this.received.push({ from, message });
      this.emit('received', message);
    });
    return this;
  }

  logged(words: RegExp): boolean {
    return this.lines.some(({ text }) => words.test(text));
  }

  /** The numbers of the received messages. The tests number their messages with the tickets of
   * read requests. */
  get tickets(): number[] {
    return this.received.flatMap(({ message }) => (message.kind === 'readIndex' ? [message.ticket] : []));
  }

  /**
   * Sends messages until one arrives. A single message is not enough, because it is dropped if
   * there is no connection yet.
   */
  async reaches(other: TestServer, deadline?: number): Promise<void> {
    const ticket = tickets++;
    const send = setInterval(() => this.transport.send(other.id, [numbered(ticket)]), 10);
    try {
      await until(() => other.tickets.includes(ticket), `a message from ${this.id} to ${other.id}`, deadline);
    } finally {
      clearInterval(send);
    }
  }
}

/** Connects to a server's port and sends the given bytes. */
export function sendRaw({ transport }: TestServer, bytes: Uint8Array | string): Socket {
  const socket = createConnection(transport.port as number, '127.0.0.1');
  after(() => socket.destroy());
  socket.on('error', () => {});
  socket.resume();
  socket.write(bytes as string, 'latin1');
  return socket;
}

/** Resolves when the socket is closed, with or without an error. */
export function closed(socket: Socket): Promise<unknown> {
  return new Promise((resolve) => socket.once('close', resolve));
}

let incarnations = 1;
let tickets = 1_000_000;

/** Ports that `freePort` has returned. */
const returned = new Set<number>();

/**
 * Returns a port that was free a moment ago, and never the same one twice. Ports are needed in advance, because the membership
 * contains the addresses and is written before any server is listening. The port is below the ports
 * that the system chooses for connections, so that no connection of another test takes it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 10_000);
    if (returned.has(port)) continue;
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    returned.add(port);
    return port;
  }
}

/** Returns a frame with a message of a kind that no version knows, followed by message `ticket`. */
export function frameOfUnknownKind(ticket: number): Uint8Array {
  const frame = encodeFrame([numbered(0), numbered(ticket)]);
  frame[frameLength([]) + 4] = 99;
  new DataView(frame.buffer, frame.byteOffset).setUint32(0, crc32(frame.subarray(4)), true);
  return frame;
}

export function numbered(ticket: number): Message {
  return { kind: 'readIndex', term: 1, incarnation: 1, ticket };
}

export function append(index: number, bytes: number): Message {
  return {
    kind: 'append',
    term: 1,
    incarnation: 1,
    stream: 1,
    prevIndex: index - 1,
    prevTerm: index === 1 ? 0 : 1,
    committed: 0,
    entries: [{ kind: 'command', index, term: 1, data: new Uint8Array(bytes) }],
  };
}

/** Tells each server the addresses of all other servers. */
export function introduce(...servers: readonly TestServer[]): void {
  for (const server of servers) {
    server.transport.setPeers(new Map(servers.filter((s) => s !== server).map((s) => [s.id, s.address])));
  }
}

/** Starts a proxy in front of a port. It is closed after the test. */
export async function startProxy(target: () => number): Promise<Proxy> {
  const proxy = await new Proxy(target).start();
  after(() => proxy.close());
  return proxy;
}
