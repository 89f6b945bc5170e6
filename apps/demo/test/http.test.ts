// Shows how the HTTP interface handles unusual clients. Some send several requests at a time or
// bodies in tiny chunks, and some use a node that stops. One node runs in memory, and clients use
// raw sockets.

import { EventEmitter, once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import {
  bootstrap,
  KontikiError,
  MemoryLog,
  MemoryNetwork,
  MemorySnapshots,
  RaftNode,
  SessionMachine,
  silentLogger,
  type Logger,
  type Refused,
} from '@kontiki/core';
import { expect, it } from 'vitest';
import { after, heldBytes } from '../../../packages/peers/test/transports/servers.js';
import { KvApi } from '../src/http/api.js';
import { RequestQueue } from '../src/http/request-queue.js';
import { KvServer } from '../src/http/server.js';
import { SnapshotApi } from '../src/http/snapshot-api.js';
import { KvMachine, type KvResult } from '../src/kv/machine.js';
import { eventually } from './cluster.js';

/** A log whose writes can be held. Held writes either never finish or all fail. */
class HeldLog extends MemoryLog {
  /** The error that held writes reject with; undefined while writes are not held. */
  fault: Promise<never> | undefined;

  override append(write: Parameters<MemoryLog['append']>[0]): Promise<void> {
    const written = super.append(write);
    return this.fault ?? written;
  }
}

interface TestNode {
  readonly machine: KvMachine;
  readonly node: RaftNode<KvResult | Refused>;
  readonly log: HeldLog;
  readonly snapshots: MemorySnapshots;
  /** Messages of the errors that the interface has logged. */
  readonly logged: string[];
  readonly server: KvServer;
  /** Returns the number of requests that the interface has started to handle. */
  readonly handled: () => number;
  /** Returns the number of bytes that have arrived in request bodies so far. */
  readonly bodyBytes: () => number;
  readonly connect: () => Client;
}

/** A raw connection to a node, with all data that the node has sent on it. */
class Client {
  readonly socket: Socket;
  answers = '';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (bytes: Buffer) => (this.answers += bytes.toString()));
    this.socket.on('error', (error) => (this.answers += error.message));
    after(() => this.socket.destroy());
  }

  /** The status codes of all answers so far. */
  get statuses(): string[] {
    return [...this.answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status as string);
  }

  async answered(count: number): Promise<string[]> {
    await eventually(`${count} answers`, () => this.statuses.length >= count || this.socket.destroyed);
    return this.statuses;
  }
}

async function startNode(): Promise<TestNode> {
  const log = new HeldLog();
  const snapshots = new MemorySnapshots();
  const machine = new KvMachine();
  await bootstrap(log, { cluster: 'http', server: 'a', members: { a: 'memory:a' } });
  const transport = new MemoryNetwork().transport();
  const node = await RaftNode.open<KvResult | Refused>({
    id: 'a',
    cluster: 'http',
    machine: new SessionMachine(machine),
    log,
    snapshots,
    transport,
  });
  after(() => node.close());
  // Once a leader answers a read, it has applied an entry, so a snapshot can be taken.
  await node.read(() => machine.size);
  const logged: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (_, details) => void logged.push(String(details?.['error'])),
  };
  const api = new KvApi({ node, machine, snapshots: await SnapshotApi.open(node, snapshots), logger });
  let handled = 0;
  let bodyBytes = 0;
  const server = new KvServer((request, response) => {
    handled += 1;
    api.handler(request, response);
    request.on('data', (chunk: Buffer) => (bodyBytes += chunk.length));
  });
  await server.listen(0, '127.0.0.1');
  after(() => server.close());
  return {
    machine,
    node,
    log,
    snapshots,
    logged,
    server,
    handled: () => handled,
    bodyBytes: () => bodyBytes,
    connect: () => new Client(server.port),
  };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const put = (key: string, value: string, header = ''): string =>
  `PUT /kv/${key} HTTP/1.1\r\nHost: x\r\n${header}Content-Length: ${value.length}\r\n\r\n${value}`;

it('a request body that arrives byte by byte uses little memory', async () => {
  const { bodyBytes, connect } = await startNode();
  const client = connect();
  const held = (): number => heldBytes() + process.memoryUsage().heapUsed;
  const chunks = 300_000;
  const before = held();
  client.socket.write('PUT /kv/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (let sent = 0; sent < chunks; sent += 10_000) {
    if (!client.socket.write('1\r\nx\r\n'.repeat(10_000))) await once(client.socket, 'drain');
  }
  await eventually('the body has arrived', () => bodyBytes() === chunks);
  expect(held() - before).toBeLessThan(5_000_000);
  client.socket.write('0\r\n\r\n');
  expect(await client.answered(1)).toEqual(['204']);
});

it('a pipelined GET sees the effect of the PUT before it', async () => {
  const client = (await startNode()).connect();
  const rounds = Array.from({ length: 25 }, (_, i) => `value-${i}`);
  for (const value of rounds) client.socket.write(put('x', value) + get('/kv/x'));
  expect(await client.answered(50)).toHaveLength(50);
  expect(client.answers.match(/value-\d+/g)).toEqual(rounds);
});

it('a connection that pipelines 2,000 requests is closed; others are still served', async () => {
  const { handled, connect } = await startNode();
  const [client, other] = [connect(), connect()];
  client.socket.write(get('/status').repeat(2_000));
  await eventually('the connection is closed', () => client.socket.destroyed);
  expect(handled()).toBeLessThan(200);
  other.socket.write(get('/status').repeat(64));
  expect(await other.answered(64)).toEqual(Array.from({ length: 64 }, () => '200'));
});

it('requests on many connections do not starve the protocol of event loop turns', async () => {
  let answered = 0;
  const queue = new RequestQueue((_, response) => {
    const end = performance.now() + 1;
    while (performance.now() < end);
    answered += 1;
    response.emit('close');
  });
  for (let i = 0; i < 200; i += 1) {
    const request = { socket: new EventEmitter() } as unknown as IncomingMessage;
    queue.add(request, new EventEmitter() as ServerResponse);
  }
  let turns = 0;
  while (answered < 200) {
    turns += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(turns).toBeGreaterThan(20);
});

it('a node answers /status without calling its snapshot store', async () => {
  const { snapshots, connect, node } = await startNode();
  const client = connect();
  snapshots.list = () => Promise.reject(new Error('asked'));
  client.socket.write(get('/status'));
  expect(await client.answered(1)).toEqual(['200']);
  expect(client.answers).toContain('"snapshot":null');
  const { last, bytes } = await node.snapshot();
  client.socket.write(get('/status'));
  expect(await client.answered(2)).toEqual(['200', '200']);
  expect(client.answers).toContain(`"snapshot":{"index":${last.index},"bytes":${bytes},"at":"`);
});

it.each([
  ['KONTIKI_STORE_FAILED', '500'],
  ['KONTIKI_DISK_FULL', '503'],
] as const)('a client sees the code %s when a store fails, but no path', async (code, status) => {
  const { snapshots, logged, connect } = await startNode();
  const client = connect();
  snapshots.list = () => Promise.reject(new KontikiError(code, 'Cannot read /home/alice/secret-project.'));
  for (let i = 0; i < 2; i += 1) client.socket.write(get('/snapshot'));
  expect(await client.answered(2)).toEqual([status, status]);
  expect(client.answers).toContain(`"code":"${code}"`);
  expect(client.answers).not.toContain('alice');
  // The log contains the cause of a failure only once, even if many requests fail.
  expect(logged).toHaveLength(status === '500' ? 1 : 0);
  expect(logged.every((line) => line.includes('alice'))).toBe(true);
});

it('SnapshotApi reports the newest snapshot from before its process started', async () => {
  const { node, snapshots } = await startNode();
  const { last, bytes } = await node.snapshot();
  const { newest } = await SnapshotApi.open(node, snapshots);
  expect(newest).toEqual({ index: last.index, bytes, at: null });
});

it.each(['stops by a fault', 'is closed'])('a node that %s answers every request in progress', async (how) => {
  const { node, log, server, bodyBytes, connect } = await startNode();
  const first = connect();
  first.socket.write(put('first', 'x'));
  await first.answered(1);
  const before = bodyBytes();
  const error = new KontikiError('KONTIKI_STORE_FAILED', 'The disk is gone.');
  let fail: (error: Error) => void = () => {};
  log.fault = new Promise((_, reject) => (fail = reject));
  log.fault.catch(() => {});
  const clients = Array.from({ length: 30 }, connect);
  for (const [i, client] of clients.entries()) client.socket.write(put(`k${i}`, 'x') + get('/status'));
  await eventually('all bodies have arrived', () => bodyBytes() === before + clients.length);
  await new Promise((resolve) => setImmediate(resolve));
  const stopped = new Promise((resolve) => node.on('fatal', resolve));
  fail(error);
  if (how === 'stops by a fault') await stopped;
  await Promise.all([server.close(), node.close()]);
  for (const client of clients) expect(await client.answered(2)).toEqual(['504', '200']);
});

it('a request that arrives while the server closes is answered, even after a stall', async () => {
  const { server, connect } = await startNode();
  const [idle, stalled] = [connect(), connect()];
  for (const client of [idle, stalled]) {
    client.socket.write(get('/status'));
    await client.answered(1);
  }
  const closed = server.close();
  idle.socket.write(get('/status'));
  expect(await idle.answered(2)).toEqual(['200', '200']);
  // This stall is longer than the time for which idle connections stay open. The process has read
  // nothing during the stall.
  stalled.socket.write(get('/status'));
  for (const end = performance.now() + 700; performance.now() < end;);
  expect(await stalled.answered(2)).toEqual(['200', '200']);
  await closed;
});

it('writes with the same session and sequence number are applied once', async () => {
  const { machine, connect } = await startNode();
  const client = connect();
  client.socket.write('POST /sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n');
  await client.answered(1);
  const [, session] = /"session":(\d+)/.exec(client.answers) as unknown as [string, string];
  const header = (sequence: number): string => `Kontiki-Session: ${session} ${sequence} 0\r\n`;
  client.socket.write(put('x', 'first', header(1)) + put('x', 'first', header(1)) + put('x', 'second', header(2)));
  client.socket.write(`DELETE /kv/x HTTP/1.1\r\nHost: x\r\n${header(3)}\r\n`.repeat(2));
  client.socket.write(put('x', 'first', header(1)));
  expect(await client.answered(7)).toEqual(['200', '204', '204', '204', '204', '204', '204']);
  const revisions = [...client.answers.matchAll(/ETag: "(\d+)"/g)].map(([, revision]) => Number(revision));
  // The retries have the revision of the first attempt, and do not bring the key back.
  expect(revisions.map((revision) => revision - (revisions[0] as number))).toEqual([0, 0, 2, 0]);
  expect(machine.get('x')).toBeUndefined();
});

it.each([
  ['1 2', '400'],
  ['1 1 1', '400'],
  ['x', '400'],
  ['12345 1 0', '409'],
])('a write with the session header %s is answered with %s and not applied', async (header, status) => {
  const { machine, connect } = await startNode();
  const client = connect();
  client.socket.write(put('x', 'value', `Kontiki-Session: ${header}\r\n`));
  expect(await client.answered(1)).toEqual([status]);
  expect(machine.size).toBe(0);
});

it('a watch sends the value of a key now and after each change, until its node closes', async () => {
  const { connect, node } = await startNode();
  const [watcher, writer] = [connect(), connect()];
  const lines = (): string[] => watcher.answers.split('\n').filter((line) => line.startsWith('{"index"'));
  const seen = async (count: number): Promise<unknown> => {
    await eventually(`${count} values`, () => lines().length >= count);
    return (JSON.parse(lines()[count - 1] as string) as { result: unknown }).result;
  };
  watcher.socket.write(get('/kv/x?watch'));
  expect(await seen(1)).toBeNull();
  writer.socket.write(put('other', 'x') + put('x', 'v'));
  expect(await seen(2)).toEqual({ revision: expect.any(Number), value: 'dg==' });
  writer.socket.write('DELETE /kv/x HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(await seen(3)).toBeNull();
  await node.close();
  await eventually('the response has ended', () => watcher.answers.endsWith('0\r\n\r\n'));
  expect(lines()).toHaveLength(3);
});
