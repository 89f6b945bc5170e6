// Shows that a node serves clients over HTTPS, and that a client sends nothing to a node whose
// certificate it does not trust. The server and its clients run in this process.
import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { beforeAll, expect, it, vi } from 'vitest';
import { after } from '../../../packages/peers/test/transports/servers.js';
import { HttpClient, type HttpClientOptions, type NodeResponse } from '@kontiki/client';
import { Authority } from '../src/cluster/authority.js';
import { describeFailure } from '../src/describe-failure.js';
import { KvServer, type ServerTls } from '../src/http/server.js';

let authority: Authority;
let ca: string;
beforeAll(async () => {
  authority = await Authority.create('demo');
  ca = (await authority.pem()).cert;
});

interface TestServer {
  readonly server: KvServer;
  readonly url: string;
  /** The methods of all requests that have arrived. */
  readonly received: string[];
}

async function startServer(tls?: ServerTls): Promise<TestServer> {
  const received: string[] = [];
  const server = new KvServer((request, response) => {
    received.push(request.method as string);
    request.resume();
    response.writeHead(204);
    response.end();
  }, tls);
  await server.listen(0, '127.0.0.1');
  after(() => server.close());
  return { server, url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${server.port}`, received };
}

function clientWith(options: HttpClientOptions): HttpClient {
  const client = new HttpClient(options);
  after(() => client.close());
  return client;
}

const put = (client: HttpClient, url: string): Promise<NodeResponse> =>
  client.send(url, { method: 'PUT', path: '/kv/a', body: 'x' }, 10_000);

/** Connects to a server without checking its certificate. */
async function connected(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  after(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

it('a client that trusts the authority of a node gets answers over HTTPS', async () => {
  const { url, received } = await startServer(await authority.issue('demo', 'n1'));
  expect((await put(clientWith({ tls: { ca } }), url)).status).toBe(204);
  expect(received).toEqual(['PUT']);
});

it.each([
  ['no authority', async () => ({})],
  ['another authority', async () => ({ ca: (await (await Authority.create('demo')).pem()).cert })],
  ['a file that is no certificate', async () => ({ ca: 'no certificate' })],
])('a client with %s reports how to trust the node, and sends nothing', async (_, options) => {
  const { url, received } = await startServer(await authority.issue('demo', 'n1'));
  const client = clientWith({ tls: await options() });
  for (let i = 0; i < 20; i += 1) {
    const failure = await put(client, url).then(String, describeFailure);
    expect(failure).toMatch(
      /^The certificate of https:.* is not trusted: .*\. Nothing was sent\. Name the authority .* with --ca FILE/,
    );
  }
  expect(received).toEqual([]);
});

it('a write to a node that does not speak TLS is reported as not sent', async () => {
  const { url, received } = await startServer();
  await expect(put(clientWith({ tls: { ca } }), url.replace('http', 'https'))).rejects.toMatchObject({
    sent: false,
    message: expect.stringMatching(/^cannot connect to https:.*\(EPROTO\)$/),
  });
  expect(received).toEqual([]);
});

it('a KvServer refuses clients that use TLS 1.1', async () => {
  const { server } = await startServer(await authority.issue('demo', 'n1'));
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
  await expect(connected(server.port, old)).rejects.toThrow(/alert protocol version/);
});

it('a KvServer uses a new certificate for new connections and keeps open ones', async () => {
  const { server, url } = await startServer(await authority.issue('demo', 'n1'));
  const subjectOf = (socket: TLSSocket): string => socket.getPeerCertificate().subject.CN;
  const client = clientWith({ tls: { ca } });
  const open = await connected(server.port);
  server.setTls(await authority.issue('demo', 'renewed'));
  expect(subjectOf(open)).toBe('n1');
  open.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  expect(String(await once(open, 'data'))).toContain('204 No Content');
  expect(subjectOf(await connected(server.port))).toBe('renewed');
  expect((await put(client, url)).status).toBe(204);
});

it('a KvServer closes even if a client never completes the TLS handshake', async () => {
  const { server } = await startServer(await authority.issue('demo', 'n1'));
  const socket = connectPlain(server.port, '127.0.0.1');
  after(() => socket.destroy());
  await once(socket, 'connect');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  after(() => vi.useRealTimers());
  const start = performance.now();
  const closed = server.close();
  await vi.advanceTimersByTimeAsync(2_000);
  await closed;
  // The TLS handshake itself would time out only after five seconds.
  expect(performance.now() - start).toBeLessThan(4_500);
});
