// Shows that transport.handler works in common frameworks and on plain servers, and that mistakes
// in mounting it are reported. The tests use real frameworks and sockets.
import { once } from 'node:events';
import { createServer, get, type IncomingMessage, request, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createConnection } from 'node:net';
import express from 'express';
import Fastify from 'fastify';
import { getRequestListener } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { helloHeaders } from '@kontiki/peers';
import { HttpTransport, type HttpOptions } from '@kontiki/transport-http';
import { testListening } from '../../peers/test/transports/listening.js';
import { after, append, numbered, server, started, type TestServer, until } from './servers.js';

testListening(server, started);

async function listening(listener: RequestListener | Server, host = '127.0.0.1'): Promise<number> {
  const http = typeof listener === 'function' ? createServer(listener) : listener;
  http.listen(0, host);
  await once(http, 'listening');
  after(() => {
    http.close();
    http.closeAllConnections();
  });
  return (http.address() as AddressInfo).port;
}

async function ask(port: number, path: string): Promise<string> {
  const [response] = (await once(get({ port, path, agent: false }), 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return text;
}

/** Starts a server without its own port. */
const mounted = (options: HttpOptions = {}): Promise<TestServer<HttpTransport>> =>
  started('a', { listen: undefined, ...options });

type Handler = HttpTransport['handler'];

const applications: readonly [string, (handler: Handler) => Promise<RequestListener | Server>][] = [
  [
    'node:http',
    async (handler) => (incoming, response) => {
      if (incoming.url === '/raft') handler(incoming, response);
      else response.end(`you asked for ${incoming.url}`);
    },
  ],
  [
    'Express, before its body parsers',
    async (handler) => {
      const app = express();
      app.use('/raft', handler);
      app.use(express.json(), express.raw({ type: '*/*' }));
      app.use((incoming, response) => void response.end(`you asked for ${incoming.url}`));
      return app as unknown as RequestListener;
    },
  ],
  [
    'Fastify',
    async (handler) => {
      const app = Fastify({ forceCloseConnections: true });
      await app.register(async (raft) => {
        raft.removeAllContentTypeParsers();
        raft.addContentTypeParser('*', (_, __, done) => done(null));
        raft.post('/raft', (incoming, reply) => {
          reply.hijack();
          handler(incoming.raw, reply.raw);
        });
      });
      app.get('*', (incoming) => `you asked for ${incoming.url}`);
      after(() => app.close());
      await app.ready();
      return app.server;
    },
  ],
  [
    'Hono',
    async (handler) => {
      const app = new Hono<{ Bindings: { incoming: IncomingMessage; outgoing: Parameters<Handler>[1] } }>();
      app.post('/raft', ({ env }) => {
        handler(env.incoming, env.outgoing);
        return RESPONSE_ALREADY_SENT;
      });
      app.get('*', (context) => context.text(`you asked for ${context.req.path}`));
      return getRequestListener(app.fetch) as RequestListener;
    },
  ],
];

it('the application’s server closes even if peers send requests to it', async () => {
  const a = await mounted({ limits: { pingIntervalMs: 50 } });
  const server = createServer(a.transport.handler);
  const port = await listening(server);
  const b = await started('b', { limits: { pingIntervalMs: 50 } });
  b.transport.setPeers(new Map([['a', `http://127.0.0.1:${port}`]]));
  await b.reaches(a);
  const closed = once(server, 'close');
  server.close();
  const sending = setInterval(() => b.transport.send('a', [numbered(1)]), 5);
  await closed;
  clearInterval(sending);
});

describe('a handler under a prefix', () => {
  it.each(applications)(
    'the handler receives messages and does not affect other paths in %s',
    async (_, application) => {
      const a = await mounted();
      const port = await listening(await application(a.transport.handler));
      const b = await started('b');
      a.transport.setPeers(new Map([['b', b.address]]));
      b.transport.setPeers(new Map([['a', `http://127.0.0.1:${port}/raft`]]));
      await a.reaches(b);
      await b.reaches(a);
      for (let index = 1; index <= 20; index += 1) b.transport.send('a', [append(index, 200_000)]);
      b.transport.send('a', [append(21, 3_000_000)]);
      await until(() => a.received.filter(({ message }) => message.kind === 'append').length === 21, 'all appends');
      expect(await ask(port, '/hello')).toBe('you asked for /hello');

      await a.transport.close();
      expect(await ask(port, '/still')).toBe('you asked for /still');
      await until(() => b.logged(/cannot connect to a: it answers 503/), 'the log line');
      expect([...a.lines, ...b.lines].filter(({ level }) => level === 'error')).toEqual([]);
    },
  );
});

it('a transport with its own port answers on every path', async () => {
  const [a, b] = [await started('a'), await started('b')];
  b.transport.setPeers(new Map([['a', `${a.address}/some/where`]]));
  await b.reaches(a);
});

it('the handler logs an error and answers 500 if a body parser ran first', async () => {
  const a = await mounted();
  const app = express();
  app.use(express.raw({ type: '*/*' }));
  app.use('/raft', a.transport.handler);
  const port = await listening(app as unknown as RequestListener);
  const b = await started('b');
  b.transport.setPeers(new Map([['a', `http://127.0.0.1:${port}/raft`]]));
  await until(() => a.logged(/Mount the handler before body parsers/), 'the log line');
  await until(() => b.logged(/cannot connect to a: it answers 500/), 'the log line of the peer');
  expect(a.received).toEqual([]);
});

it('the transport logs an error and keeps working if other code answers requests', async () => {
  const a = await mounted();
  const port = await listening((incoming, response) => {
    a.transport.handler(incoming, response);
    response.end('hello');
  });
  const b = await started('b');
  b.transport.setPeers(new Map([['a', `http://127.0.0.1:${port}`]]));
  await until(() => a.logged(/Other code answered a request/), 'the log line');
  a.transport.setPeers(new Map([['b', b.address]]));
  await a.reaches(b);
});

it('the handler answers 503 before start and after close', async () => {
  const transport = new HttpTransport();
  const port = await listening(transport.handler);
  const status = async (): Promise<number | undefined> => {
    const [response] = (await once(request({ port, method: 'POST', agent: false }).end(), 'response')) as [
      IncomingMessage,
    ];
    return response.resume().statusCode;
  };
  expect(await status()).toBe(503);
  await transport.start({ cluster: 'c', server: 'a', incarnation: 1, genesis: undefined, epoch: undefined }, () => {});
  expect(await status()).toBe(400);
  await transport.close();
  expect(await status()).toBe(503);
});

it('close ends pending requests and leaves the application’s server open', async () => {
  const a = await mounted({ limits: { pingIntervalMs: 60_000 } });
  let onArrived = (): void => {};
  const arrived = new Promise<void>((resolve) => (onArrived = resolve));
  const port = await listening((incoming, response) => {
    incoming.once('end', onArrived);
    a.transport.handler(incoming, response);
  });
  const self = { cluster: 'c-1', server: 'b', incarnation: 7, genesis: undefined, epoch: undefined };
  const polling = request({
    port,
    method: 'POST',
    agent: false,
    headers: { ...helloHeaders(self, 'a'), 'kontiki-poll': '1' },
  });
  polling.end();
  await arrived;
  const ended = once(polling, 'response');
  await a.transport.close();
  await expect(ended).rejects.toMatchObject({ code: 'ECONNRESET' });
});

it('the transport closes a connection if the client does not read responses', async () => {
  const a = await mounted({ limits: { pingIntervalMs: 20 } });
  const http = createServer(a.transport.handler);
  let cut = false;
  http.once('connection', (socket) => socket.once('close', () => (cut = true)));
  const socket = createConnection(await listening(http), '127.0.0.1');
  after(() => socket.destroy());
  socket.pause().on('error', () => {});
  const self = { cluster: 'c-1', server: 'x', incarnation: 7, genesis: undefined, epoch: undefined };
  const headers = { host: 'a', ...helloHeaders(self, 'a'), 'content-length': '0', 'kontiki-poll': '1' };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  let index = 0;
  // The responses soon exceed what the operating system buffers for a client that does not read.
  await until(() => {
    socket.write(`POST / HTTP/1.1\r\n${lines.join('')}\r\n`);
    a.transport.send('x', [append((index += 1), 250_000)]);
    return cut;
  }, 'the connection to be closed');
});

it('the handler refuses peers from other machines', async () => {
  const a = await mounted();
  const port = await listening((incoming, response) => {
    // Simulates a connection that arrives on another network interface.
    Object.defineProperty(incoming.socket, 'localAddress', { value: '10.0.0.1' });
    a.transport.handler(incoming, response);
  });
  const b = await started('b');
  b.transport.setPeers(new Map([['a', `http://127.0.0.1:${port}`]]));
  await until(
    () => a.logged(/from another machine/) && b.logged(/it refuses: .* from other machines/),
    'both log lines',
  );
  expect(Object.keys(a.transport.refusals)).toEqual(['exposed']);
});

it.each([
  [{ listen: { port: 70_000 } }],
  [{ listen: { port: 1.5 } }],
  [{ listen: { port: 0, hots: '::1' } }],
  [{ limits: { queueBytes: 0 } }],
  [{ limits: { queueByte: 1 } }],
  [{ limits: { pingIntervalMs: Number.NaN } }],
])('HttpTransport throws for the options %j', (options) => {
  expect(() => new HttpTransport(options as HttpOptions)).toThrow(
    expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' }),
  );
});
