// Shows how HttpTransport authenticates peers, with real certificates and secrets.
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { type IncomingMessage } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { PeerSecurity, REFUSED_HEADER } from '@kontiki/peers';
import { Authority, tlsFor } from '../../peers/test/transports/certificates.js';
import { claim } from '../../peers/test/transports/claims.js';
import { testCertificates } from '../../peers/test/transports/security-certificates.js';
import { testMounted } from '../../peers/test/transports/security-mounted.js';
import { testSecrets } from '../../peers/test/transports/security-secrets.js';
import { Endpoint } from '../src/endpoint.js';
import { after, server, started } from './servers.js';

describe('certificates', () => testCertificates(server));
describe('secrets', () => testSecrets(server));
describe('mounted', () => {
  testMounted(started, async (tls, create) => {
    const a = await started('a', { listen: undefined, tls });
    return [a, create(a.transport.handler)];
  });

  it('a mounted handler of a transport with secrets refuses every client', async () => {
    const { tls } = await tlsFor(await Authority.create(), 'a');
    const a = await started('a', { secrets: [randomBytes(32)] });
    const app = createServer(tls, a.transport.handler).listen(0, '127.0.0.1');
    await once(app, 'listening');
    after(() => app.close());
    const to = { id: 'a', scheme: 'http', port: (app.address() as AddressInfo).port };
    const answer = (await claim(to, 'b', { ca: tls.ca })) as IncomingMessage;
    expect([answer.statusCode, answer.headers[REFUSED_HEADER]]).toEqual([400, 'unauthenticated']);
  });
});

it('Endpoint opens each connection with the newest secret', async () => {
  const [one, two] = [randomBytes(32), randomBytes(32)];
  const security = new PeerSecurity({ secrets: [one] });
  const answered = new EventEmitter();
  const app = createServer(security.serverOptions as ServerOptions, (request, response) => {
    request.resume();
    // Two simultaneous requests need two connections.
    answered.once('answer', () => response.end());
    answered.emit('request', (request.socket as TLSSocket).remotePort);
  }).listen(0, '127.0.0.1');
  await once(app, 'listening');
  const url = new URL(`https://127.0.0.1:${(app.address() as AddressInfo).port}`);
  const endpoint = new Endpoint(url, () => security.clientOptions('c-1', 'a'));
  after(() => {
    endpoint.closeConnections();
    app.close();
  });
  const post = async (): Promise<number | undefined> => {
    const asked = endpoint.post({}, undefined);
    const [port] = await Promise.race([once(answered, 'request'), once(asked, 'response')]);
    return port as number;
  };
  const first = await post();
  security.setSecrets([two]);
  expect(await post()).not.toBe(first);
  answered.emit('answer');
});
