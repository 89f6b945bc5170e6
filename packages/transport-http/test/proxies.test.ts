// Shows that HttpTransport works behind reverse proxies that buffer whole requests and responses.
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { HttpTransport } from '@kontiki/transport-http';
import { Cluster } from '../../peers/test/transports/cluster.js';
import { after, append, numbered, started, until } from './servers.js';

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/**
 * Starts a reverse proxy that reads a whole request, forwards it over a connection of its own, and
 * treats the response in the same way. The first part of the path selects the target.
 */
async function reverseProxy(targets: Readonly<Record<string, () => number>>, host = '127.0.0.1'): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const server = createServer((incoming, response) => {
    const pass = async (): Promise<void> => {
      const body = await readAll(incoming);
      const target = targets[(incoming.url as string).split('/')[1] as string];
      const { connection: _, 'content-length': __, ...headers } = incoming.headers;
      const port = target?.();
      if (port === undefined) return void response.writeHead(502).end();
      const passed = request({ host, port, method: incoming.method as string, path: '/', headers, agent });
      // Without a content length, the body is sent with chunked encoding.
      if (body.length > 0) passed.write(body);
      passed.end();
      const [answer] = (await once(passed, 'response')) as [IncomingMessage];
      const { connection: ___, ...rest } = answer.headers;
      response.writeHead(answer.statusCode as number, rest).end(await readAll(answer));
    };
    pass().catch(() => response.writeHead(502).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.close();
    server.closeAllConnections();
    agent.destroy();
  });
  return (server.address() as AddressInfo).port;
}

it('messages pass through a buffering proxy in requests and in responses', async () => {
  const [a, b] = [await started('a'), await started('b')];
  const port = await reverseProxy({ b: () => b.transport.port as number });
  a.transport.setPeers(new Map([['b', `http://127.0.0.1:${port}/b`]]));
  await a.reaches(b);
  for (let index = 1; index <= 20; index += 1) {
    a.transport.send('b', [append(index, 200_000)]);
    b.transport.send('a', [append(index, 200_000)]);
  }
  for (const server of [a, b]) {
    await until(() => server.received.filter(({ message }) => message.kind === 'append').length === 20, 'all appends');
    const indices = server.received.flatMap(({ message }) => (message.kind === 'append' ? [message.prevIndex] : []));
    expect(indices).toEqual(indices.map((_, i) => i));
  }
  a.transport.send('b', [append(21, 3_000_000), numbered(5)]);
  await until(() => b.received.filter(({ message }) => message.kind === 'append').length === 21, 'the large append');
  await b.reaches(a);
});

it('a proxy whose server is down counts as an unreachable server', async () => {
  const a = await started('a', { limits: { reconnectMaxMs: 20 } });
  const port = await reverseProxy({});
  a.transport.setPeers(new Map([['b', `http://127.0.0.1:${port}/b`]]));
  await until(() => a.logged(/it answers 502/), 'the log line');
  expect(a.lines.filter(({ level }) => level === 'warn')).toEqual([]);
});

it('a cluster works when its servers reach each other only through a proxy', async () => {
  const ids = ['a', 'b', 'c'];
  const transports: HttpTransport[] = [];
  const targets = Object.fromEntries(ids.map((id, i) => [id, () => transports[i]?.port as number]));
  const proxy = await reverseProxy(targets);
  const cluster = new Cluster(
    'http',
    () => {
      const transport = new HttpTransport({ listen: { port: 0 } });
      transports.push(transport);
      return transport;
    },
    (id) => `http://127.0.0.1:${proxy}/${id}`,
  );
  await cluster.bootstrap(ids);
  await cluster.open(...ids);
  await cluster.execute('one');
  await cluster.execute('two');
  await cluster.applied('two', ...ids);
});
