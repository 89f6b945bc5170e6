// Shows how HttpTransport authenticates peers, with real certificates and secrets.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createPlainServer, type IncomingMessage, request } from 'node:http';
import { createServer, request as requestTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { helloHeaders, type PeerTls, REFUSED_HEADER } from '@kontiki/peers';
import { Authority, tlsFor } from '../../peers/test/transports/certificates.js';
import { testSecurity } from '../../peers/test/transports/security.js';
import { after, server, started, type TestServer, until } from './servers.js';

testSecurity(server);

/** Starts an https server of the application with the transport of `a` mounted. */
async function mounted(tls: PeerTls, requestCert: boolean, ca = tls.ca): Promise<[TestServer, number]> {
  const a = await started('a', { listen: undefined, tls });
  const app = createServer({ ...tls, ca, requestCert, rejectUnauthorized: false }, a.transport.handler);
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  after(() => {
    app.close();
    app.closeAllConnections();
  });
  return [a, (app.address() as AddressInfo).port];
}

describe("on an application's https server", () => {
  it('a mounted handler of a transport with secrets refuses every client', async () => {
    const authority = await Authority.create();
    const { tls } = await tlsFor(authority, 'a');
    const a = await started('a', { secrets: [randomBytes(32)] });
    const app = createServer(tls, a.transport.handler).listen(0, '127.0.0.1');
    await once(app, 'listening');
    after(() => app.close());
    const { port } = app.address() as AddressInfo;
    const sent = requestTls({
      port,
      method: 'POST',
      rejectUnauthorized: false,
      headers: helloHeaders({ cluster: 'c-1', server: 'b', incarnation: 9, genesis: undefined }, 'a'),
      agent: false,
    }).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    expect([response.statusCode, response.headers['kontiki-refused']]).toEqual([400, 'unauthenticated']);
  });

  it('a client with a certificate is accepted', async () => {
    const authority = await Authority.create();
    const [a, port] = await mounted((await tlsFor(authority, 'a')).tls, true);
    const b = await started('b', await tlsFor(authority, 'b'));
    b.transport.setPeers(new Map([['a', `https://127.0.0.1:${port}/`]]));
    await b.reaches(a);
    expect(a.transport).toMatchObject({ refusals: {} });
  });

  it('a client with a certificate of an authority that only the application trusts is refused', async () => {
    const [authority, other] = [await Authority.create('one'), await Authority.create('other')];
    const { tls } = await tlsFor(authority, 'a');
    const [a, port] = await mounted(tls, true, [authority.pem, other.pem]);
    const b = await started('b', { tls: { ...(await tlsFor(other, 'b')).tls, ca: authority.pem } });
    b.transport.setPeers(new Map([['a', `https://127.0.0.1:${port}/`]]));
    await until(() => b.logged(/it requires a certificate that it trusts/), 'the refusal');
    expect(a.received).toEqual([]);
  });

  it.each([
    ['without a certificate', true],
    ['with a certificate that the server does not request', false],
  ])('a client %s is refused', async (_, requestCert) => {
    const authority = await Authority.create();
    const [a, port] = await mounted((await tlsFor(authority, 'a')).tls, requestCert);
    const b = await started('b', requestCert ? {} : await tlsFor(authority, 'b'));
    // Without `tls`, `b` does not trust the server either, so it sends its handshake in plain TLS.
    if (requestCert) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    after(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
    b.transport.setPeers(new Map([['a', `https://127.0.0.1:${port}/`]]));
    await until(() => b.logged(/it requires a certificate that it trusts/), 'the refusal');
    expect(a.received).toEqual([]);
    expect(a.transport).toMatchObject({ refusals: { unauthenticated: expect.any(Number) } });
  });

  it('a server without TLS refuses every client if the transport has certificates', async () => {
    const { tls } = await tlsFor(await Authority.create(), 'a');
    const a = await started('a', { listen: undefined, tls });
    const app = createPlainServer(a.transport.handler);
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    after(() => {
      app.close();
      app.closeAllConnections();
    });
    const { port } = app.address() as AddressInfo;
    const headers = helloHeaders({ cluster: 'c-1', server: 'b', incarnation: 7, genesis: undefined }, 'a');
    const asked = request({ host: '127.0.0.1', port, method: 'POST', headers, agent: false }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.headers[REFUSED_HEADER]).toBe('unauthenticated');
    expect(a.transport).toMatchObject({ refusals: { unauthenticated: 1 } });
  });
});
