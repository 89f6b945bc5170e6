import { once } from 'node:events';
import { createServer as createPlainServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { expect, it } from 'vitest';
import { type PeerTls, REFUSED_HEADER } from '@kontiki/peers';
import { Authority, forgedLink, tlsFor } from './certificates.js';
import { claim, type Claimed } from './claims.js';
import { refusals } from './secured.js';
import { after, type Started, type TestServer } from './servers.js';

/** Attaches a transport with certificates to an application's server, and returns both. */
export type Mount = (tls: PeerTls, create: (handler?: RequestListener) => Server) => Promise<[TestServer, Server]>;

/** Shows which clients may connect to a transport on an application's HTTPS server. */
export function testMounted(started: Started, mount: Mount): void {
  async function mounted(tls: PeerTls, options: ServerOptions | 'plain' = {}): Promise<[TestServer, Claimed]> {
    const [a, app] = await mount(tls, (handler) =>
      options === 'plain'
        ? createPlainServer(handler)
        : createServer({ ...tls, requestCert: true, rejectUnauthorized: false, ...options }, handler),
    );
    app.listen(0, '127.0.0.1');
    await once(app, 'listening');
    after(() => {
      app.close();
      app.closeAllConnections();
    });
    return [a, { id: a.id, scheme: a.scheme, port: (app.address() as AddressInfo).port }];
  }

  /** Checks that a response gives this reason for a refusal, or none if the peer was accepted. */
  async function expectAnswer(answer: IncomingMessage | Error, reason: string | undefined): Promise<void> {
    if (answer instanceof Error) throw answer;
    answer.resume();
    expect([answer.headers[REFUSED_HEADER], answer.headers['kontiki-from']]).toEqual([
      reason,
      reason === undefined ? 'a' : undefined,
    ]);
  }

  it('the HTTPS server of an application accepts a client with a certificate', async () => {
    const authority = await Authority.create();
    const [a, { port }] = await mounted((await tlsFor(authority, 'a')).tls);
    const b = await started('b', await tlsFor(authority, 'b'));
    b.transport.setPeers(new Map([['a', `https://127.0.0.1:${port}/`]]));
    await b.reaches(a);
    expect(refusals(a)).toEqual({});
  });

  it.each<[string, ServerOptions | 'plain']>([
    ['without a certificate', {}],
    ['without a certificate on a server that requests none', { requestCert: false }],
    ['without TLS on a server without TLS', 'plain'],
  ])('a mounted transport refuses a client %s', async (_, options) => {
    const { tls } = await tlsFor(await Authority.create(), 'a');
    const [a, to] = await mounted(tls, options);
    await expectAnswer(await claim(to, 'b', options === 'plain' ? undefined : { ca: tls.ca }), 'unauthenticated');
    expect([refusals(a), a.received]).toEqual([{ unauthenticated: 1 }, []]);
  });

  it('a mounted transport accepts a certificate from an intermediate authority', async () => {
    const root = await Authority.create('root');
    const intermediate = await root.intermediate('intermediate');
    const { tls } = await tlsFor(root, 'a');
    const [, to] = await mounted(tls);
    await expectAnswer(await claim(to, 'b', (await tlsFor(intermediate, 'b')).tls), undefined);
  });

  it('a mounted transport refuses authorities that only the application trusts', async () => {
    const [own, other] = [await Authority.create('own'), await Authority.create('other')];
    const { tls } = await tlsFor(own, 'a');
    const [a, to] = await mounted(tls, { ca: [own.pem, other.pem] });
    const foreign = (await tlsFor(other, 'b')).tls;
    await expectAnswer(await claim(to, 'b', { ...foreign, ca: own.pem }), 'unauthenticated');
    // The certificate of a real server is public, so anyone can send it. With the forged
    // certificate, it looks as if the real server had issued the foreign certificate.
    const forged = [foreign.cert, await forgedLink('other', 'CN=server'), tls.cert].join('\n');
    await expectAnswer(await claim(to, 'b', { ...foreign, cert: forged, ca: own.pem }), 'unauthenticated');
    expect([refusals(a), a.received]).toEqual([{ unauthenticated: 2 }, []]);
  });

  it('a mounted transport refuses a resumed session, which shows no certificate', async () => {
    const authority = await Authority.create();
    const { tls } = await tlsFor(authority, 'a');
    const [, to] = await mounted(tls);
    const first = connect({
      port: to.port as number,
      ...(await tlsFor(authority, 'b')).tls,
      checkServerIdentity: () => undefined,
    });
    after(() => first.destroy());
    const [session] = (await once(first, 'session')) as [Buffer];
    const answer = await claim(to, 'b', { ca: tls.ca, session });
    expect(((answer as IncomingMessage).socket as TLSSocket).isSessionReused()).toBe(true);
    await expectAnswer(answer, 'unauthenticated');
  });
}
