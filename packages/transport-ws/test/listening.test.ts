import { once } from 'node:events';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { WebSocketTransport, type WebSocketOptions } from '@kontiki/transport-ws';
import { testListening } from '../../peers/test/transports/listening.js';
import { after, server as create, started, until } from './servers.js';

testListening(create, started);

async function applicationServer(): Promise<Server> {
  const server = createServer((request, response) => response.end(`you asked for ${request.url}`));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function ask(port: number, path: string): Promise<string> {
  const [response] = await once(get({ port, path, agent: false }), 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}

it('a transport on a path of the application’s server does not affect other paths', async () => {
  const server = await applicationServer();
  const chatServer = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    if (request.url === '/chat') chatServer.handleUpgrade(request, socket, head, (ws) => ws.send('welcome'));
  });
  const a = await started('a', { server, path: '/raft' });
  const b = await started('b');
  a.transport.setPeers(new Map([['b', b.address]]));
  b.transport.setPeers(new Map([['a', `ws://127.0.0.1:${portOf(server)}/raft`]]));
  await a.reaches(b);
  await b.reaches(a);
  expect(await ask(portOf(server), '/hello')).toBe('you asked for /hello');
  const chat = new WebSocket(`ws://127.0.0.1:${portOf(server)}/chat`);
  after(() => chat.terminate());
  expect(`${(await once(chat, 'message'))[0]}`).toBe('welcome');

  await a.transport.close();
  expect(chat.readyState).toBe(WebSocket.OPEN);
  expect(await ask(portOf(server), '/still')).toBe('you asked for /still');
  expect(server.listenerCount('upgrade')).toBe(1);
});

it('the application’s server closes even if peers are connected to it', async () => {
  const server = await applicationServer();
  const [a, b] = [await started('a', { server, limits: { pingIntervalMs: 50 } }), await started('b')];
  b.transport.setPeers(new Map([['a', `ws://127.0.0.1:${portOf(server)}/kontiki`]]));
  await b.reaches(a);
  const closed = once(server, 'close');
  server.close();
  await closed;
  expect(a.lines.map(({ text }) => text)).toEqual([
    'closed 1 connections from peers, because the application closed its server',
  ]);
  // The application may start its server again.
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  b.transport.setPeers(new Map([['a', `ws://127.0.0.1:${portOf(server)}/kontiki`]]));
  await b.reaches(a);
});

it('upgrades on other paths are answered with 404 if there is no other listener', async () => {
  const server = await applicationServer();
  const transport = new WebSocketTransport({ server });
  after(() => transport.close());
  await transport.start({ cluster: 'c', server: 'a', incarnation: 1, genesis: undefined, epoch: undefined }, () => {});
  const ws = new WebSocket(`ws://127.0.0.1:${portOf(server)}/chat`);
  ws.on('error', () => {});
  const [, response] = await once(ws, 'unexpected-response');
  expect(response.statusCode).toBe(404);
  ws.terminate();
});

it('start rejects if other machines can reach the application’s server', async () => {
  const server = createServer();
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  after(() => server.close());
  const transport = new WebSocketTransport({ server });
  const identity = { cluster: 'c', server: 'a', incarnation: 1, genesis: undefined, epoch: undefined };
  await expect(transport.start(identity, () => {})).rejects.toMatchObject({ code: 'KONTIKI_BAD_OPTION' });
});

it('a mounted transport refuses upgrades from other machines', async () => {
  const server = await applicationServer();
  // Simulates a connection that arrives on another network interface.
  server.prependListener('upgrade', ({ socket }) => {
    Object.defineProperty(socket, 'localAddress', { value: '10.0.0.1' });
  });
  // `start` adds the other listener.
  const a = await started('a', { server });
  const b = await started('b');
  b.transport.setPeers(new Map([['a', `ws://127.0.0.1:${portOf(server)}/kontiki`]]));
  await until(
    () => a.logged(/from another machine/) && b.logged(/it refuses: .* from other machines/),
    'both log lines',
  );
  expect(Object.keys(a.transport.refusals)).toEqual(['exposed']);
});

it.each([
  [{}],
  [{ listen: { port: 1 }, server: createServer() }],
  [{ listen: { port: 70_000 } }],
  [{ listen: { port: 1.5 } }],
  [{ listen: { port: 0, hots: '::1' } }],
  [{ server: createServer(), path: 'raft' }],
  [{ listen: { port: 0 }, limits: { queueBytes: 0 } }],
  [{ listen: { port: 0 }, limits: { queueByte: 1 } }],
  [{ listen: { port: 0 }, limits: { pingIntervalMs: Number.NaN } }],
])('WebSocketTransport throws for the options %j', (options) => {
  expect(() => new WebSocketTransport(options as unknown as WebSocketOptions)).toThrow(
    expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' }),
  );
});
