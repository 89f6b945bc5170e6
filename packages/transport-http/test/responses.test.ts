// Shows that invalid responses are refused and have no effect. Plain HTTP servers act as the other
// side.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { MAX_FRAME } from '@kontiki/core/wire';
import { helloHeaders } from '@kontiki/peers';
import { testResponses } from '../../peers/test/transports/requests.js';
import { after, append, client, numbered, started, until } from './servers.js';

testResponses(started);

/** Starts an HTTP server that is not the dialed Kontiki server, and returns its address. */
async function foreignServer(answer: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(answer as never).listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Counts the bytes that a server outside the cluster receives. */
function countBytes(
  seen: { bytes: number },
  answer: Parameters<typeof createServer>[1],
): Parameters<typeof createServer>[1] {
  return ((incoming: IncomingMessage, response: never) => {
    incoming.on('data', (chunk: Buffer) => (seen.bytes += chunk.length));
    (answer as (incoming: IncomingMessage, response: never) => void)(incoming, response);
  }) as never;
}
describe('outbound requests', () => {
  it.each<[string, Parameters<typeof createServer>[1], RegExp]>([
    [
      'that answers with another id',
      (_, response) => void response.writeHead(200, helloHeaders({ ...client, server: 'c' }, 'a')).end(),
      /c answered at the address of b/,
    ],
    ['that is not a Kontiki server', (_, response) => void response.end('hello'), /There is no Kontiki handshake/],
    [
      'of another cluster',
      (_, response) =>
        void response.writeHead(200, helloHeaders({ ...client, cluster: 'c-2', server: 'b' }, 'a')).end(),
      /cluster c-2/,
    ],
    ['that answers 404', (_, response) => void response.writeHead(404).end(), /it answers 404/],
    ['whose proxy answers 502', (_, response) => void response.writeHead(502).end(), /it answers 502/],
    ['that closes the connection', (incoming) => void incoming.socket.destroy(), /cannot connect to b: /],
    ['that never answers', () => {}, /it does not answer/],
    [
      'whose response never ends',
      (_, response) => void response.writeHead(200, helloHeaders({ ...client, server: 'b' }, 'a')).write('x'),
      /it does not answer/,
    ],
    [
      'whose response is too large',
      (_, response) =>
        void response
          .writeHead(200, { ...helloHeaders({ ...client, server: 'b' }, 'a'), 'content-length': MAX_FRAME + 1 })
          .write('x'),
      /exceeds the maximum frame size/,
    ],
    [
      'whose response is incomplete',
      (incoming, response) => {
        response.writeHead(200, { ...helloHeaders({ ...client, server: 'b' }, 'a'), 'content-length': 10 });
        response.write('x', () => incoming.socket.destroy());
      },
      /cannot connect to b: /,
    ],
  ])('no message is sent to a server %s', async (_, answer, words) => {
    // No tick occurs during the test, so it is the handshake timeout that must end incomplete
    // responses.
    const a = await started('a', { limits: { handshakeTimeoutMs: 200, reconnectMaxMs: 50, pingIntervalMs: 60_000 } });
    const seen = { bytes: 0 };
    const address = await foreignServer(countBytes(seen, answer));
    a.transport.setPeers(new Map([['b', address]]));
    a.transport.send('b', [numbered(1), append(1, 1_000)]);
    await until(() => a.logged(words), 'the log line');
    expect(seen.bytes).toBe(0);
    expect(a.received).toEqual([]);
  });

  it('a response larger than a frame is counted as a refusal', async () => {
    const a = await started('a');
    const headers = { ...helloHeaders({ ...client, server: 'b' }, 'a'), 'content-length': MAX_FRAME + 1 };
    const address = await foreignServer((_, response) => void response.writeHead(200, headers).write('x'));
    a.transport.setPeers(new Map([['b', address]]));
    await until(() => (a.transport.refusals['frame'] ?? 0) > 0, 'a refusal');
    expect(Object.keys(a.transport.refusals)).toEqual(['frame']);
  });

  it('an unresponsive server is disconnected and dialed again', async () => {
    const a = await started('a', { limits: { pingIntervalMs: 20, handshakeTimeoutMs: 60_000 } });
    let asked = 0;
    const address = await foreignServer((_, response) => {
      if (asked++ === 0) response.writeHead(200, helloHeaders({ ...client, server: 'b' }, 'a')).end();
    });
    a.transport.setPeers(new Map([['b', address]]));
    await until(() => a.logged(/cannot connect to b: it does not answer/), 'the log line');
    await until(() => asked > 2, 'the next attempt');
  });

  it('HttpTransport does not follow redirects', async () => {
    const [a, b] = [await started('a', { limits: { reconnectMaxMs: 20 } }), await started('b')];
    let asked = 0;
    const address = await foreignServer((_, response) => {
      asked += 1;
      response.writeHead(307, { location: b.address }).end();
    });
    a.transport.setPeers(new Map([['b', address]]));
    a.transport.send('b', [numbered(1)]);
    await until(() => asked > 3, 'some attempts');
    expect(a.logged(/it answers 307/)).toBe(true);
    expect(b.lines).toEqual([]);
  });
});
