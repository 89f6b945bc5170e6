import { once } from 'node:events';
import { createServer } from 'node:https';
import { type AddressInfo, createConnection } from 'node:net';
import { expect, it } from 'vitest';
import { connect, type ConnectionOptions } from 'node:tls';
import type { PeerTls } from '@kontiki/peers';
import { Authority, ExtendedKeyUsage, tlsFor } from './certificates.js';
import { claim, type Claimed } from './claims.js';
import { cannotConnect, expectRefused, refusals, secured, startDialing } from './secured.js';
import { after, type Created, freePort, introduce, numbered, type TestServer, until } from './servers.js';

const claimedOf = ({ id, scheme, transport }: TestServer): Claimed => ({ id, scheme, port: transport.port });

/**
 * Shows which clients may connect to a server with certificates, and that messages from all other
 * clients do not arrive.
 */
export function testCertificates(created: Created): void {
  it('servers with certificates from one authority exchange messages both ways', async () => {
    const authority = await Authority.create();
    const a = await created('a', await tlsFor(authority, 'a')).start();
    const b = await created('b', await tlsFor(authority, 'b')).start();
    introduce(a, b);
    await Promise.all([a.reaches(b), b.reaches(a)]);
    expect(refusals(a)).toEqual({});
  });

  it.each([
    ['of another server', ['kontiki://c-1/c'], /claims to be b, but the certificate names .*c-1\/c/],
    ['of another cluster', ['kontiki://c-2/b'], /claims to be b, but the certificate names .*c-2\/b/],
    ['without a URI', [], /claims to be b, but the certificate has no URI/],
    ['with a longer URI', ['kontiki://c-1/b/c'], /claims to be b, but the certificate names/],
    ['with the URI inside another one', ['x:", URI:kontiki://c-1/b, "'], /claims to be b/],
  ])('a server refuses a client whose certificate is one %s', async (_, uris, line) => {
    const authority = await Authority.create();
    const a = await created('a', await tlsFor(authority, 'a')).start();
    const wrong = await authority.issue({ uris });
    await claim(claimedOf(a), 'b', wrong);
    await until(() => a.logged(line), 'the log line');
    expect([refusals(a), a.received]).toEqual([{ identity: 1 }, []]);
  });

  it.each([
    ['another server', ['kontiki://c-1/c'], /it should be a of cluster c-1, but the certificate names .*c-1\/c/],
    ['another cluster', ['kontiki://c-2/a'], /it should be a of cluster c-1, but the certificate names .*c-2\/a/],
    ['nobody', [], /it should be a of cluster c-1, but the certificate has no URI/],
  ])('a server does not connect to a server whose certificate names %s', async (_, uris, line) => {
    const authority = await Authority.create();
    const wrong = await authority.issue({ uris });
    const server = createServer(wrong).listen(0, '127.0.0.1');
    await once(server, 'listening');
    after(() => server.close());
    const b = await created('b', await tlsFor(authority, 'b')).start();
    b.transport.setPeers(new Map([['a', `https://127.0.0.1:${(server.address() as AddressInfo).port}`]]));
    b.transport.send('a', [numbered(1)]);
    await until(() => b.logged(line), 'the log line');
  });

  it.each([
    ['expired', { days: -1 }, /CERT_HAS_EXPIRED/],
    ['not for clients', { usages: [ExtendedKeyUsage.serverAuth] }, /INVALID_PURPOSE/],
  ])('a server refuses a client whose certificate is %s', async (_, options, line) => {
    const authority = await Authority.create();
    const wrong = await authority.issue({ ...options, uris: ['kontiki://c-1/b'] });
    const servers = await startDialing(created, await tlsFor(authority, 'a'), { tls: wrong });
    await expectRefused(servers, 'tls');
    expect(servers[0].logged(line)).toBe(true);
  });

  it.each([
    ['expired', { days: -1 }, /certificate has expired/],
    ['not for servers', { usages: [ExtendedKeyUsage.clientAuth] }, /unsuitable certificate purpose/],
  ])('a server does not connect to a server whose certificate is %s', async (_, options, line) => {
    const authority = await Authority.create();
    const wrong = await authority.issue({ ...options, uris: ['kontiki://c-1/a'] });
    const [a, b] = await startDialing(created, { tls: wrong }, await tlsFor(authority, 'b'));
    await until(() => b.logged(line), 'the log line');
    expect(a.received).toEqual([]);
  });

  it('a server does not connect if the certificate is from another authority', async () => {
    const [one, other] = [await Authority.create('one'), await Authority.create('other')];
    const [a, b] = await startDialing(created, await tlsFor(one, 'a'), await tlsFor(other, 'b'));
    await until(() => b.logged(/cannot connect to a: self-signed certificate in/), 'the log line');
    expect(a.received).toEqual([]);
  });

  it('a server refuses a client with a certificate from another authority', async () => {
    const [one, other] = [await Authority.create('one'), await Authority.create('other')];
    const a = await created('a', await tlsFor(one, 'a')).start();
    await claim(claimedOf(a), 'b', { ...(await other.issue({ uris: ['kontiki://c-1/b'] })), ca: one.pem });
    await until(() => a.logged(/TLS handshake failed \(UNABLE_TO/), 'the log line');
    expect([refusals(a), a.received]).toEqual([{ tls: 1 }, []]);
  });

  it('a server refuses a client without a certificate', async () => {
    const authority = await Authority.create();
    const a = await created('a', await tlsFor(authority, 'a')).start();
    await claim(claimedOf(a), 'b', { ca: authority.pem });
    await until(() => refusals(a)['tls'] === 1, 'the refusal');
    expect(a.received).toEqual([]);
  });

  it('a server with certificates refuses a connection without TLS', async () => {
    const authority = await Authority.create();
    const a = await created('a', await tlsFor(authority, 'a')).start();
    expect(await claim(claimedOf(a), 'b', undefined)).toBeInstanceOf(Error);
    await until(() => a.logged(/TLS handshake failed \(ERR_SSL_HTTP_REQUEST\)/), 'the log line');
  });

  it('a server with certificates always dials with TLS, whatever the scheme', async () => {
    const authority = await Authority.create();
    const [a, b] = await startDialing(created, {}, await tlsFor(authority, 'b'));
    await cannotConnect(b);
    expect([a.received, Object.keys(refusals(a))]).toEqual([[], ['http']]);
  });

  it('setTls replaces the authority while messages are being sent', async () => {
    const [old, next] = [await Authority.create('old'), await Authority.create('next')];
    const both = [old.pem, next.pem];
    const tls = async (authority: Authority, id: string): Promise<PeerTls> => {
      const { tls: own } = await tlsFor(authority, id);
      return { ...own, ca: both };
    };
    const a = await created('a', { tls: await tls(old, 'a') }).start();
    const b = await created('b', { tls: await tls(old, 'b') }).start();
    introduce(a, b);
    await a.reaches(b);
    secured(a).setTls(await tls(next, 'a'));
    await a.reaches(b);
    secured(a).setTls({ ...(await tls(next, 'a')), ca: next.pem });
    // From now on, `a` refuses certificates from the old authority.
    await claim(claimedOf(a), 'b', await tls(old, 'b'));
    await until(() => refusals(a)['tls'] === 1, 'the refusal');
    secured(b).setTls(await tls(next, 'b'));
    const c = await created('c', { tls: await tls(next, 'c') }).start();
    introduce(a, b, c);
    await Promise.all([c.reaches(a), c.reaches(b), b.reaches(c)]);
  });

  it('setTls refuses a certificate for another server and keeps the old one', async () => {
    const authority = await Authority.create();
    const a = await created('a', await tlsFor(authority, 'a')).start();
    const { tls } = await tlsFor(authority, 'b');
    expect(() => secured(a).setTls(tls)).toThrow(
      expect.objectContaining({ code: 'KONTIKI_BAD_OPTION', message: expect.stringMatching(/server a .*c-1\/b/) }),
    );
    const b = await created('b', { tls }).start();
    introduce(a, b);
    await b.reaches(a);
  });

  it('start rejects if the certificate names another server', async () => {
    const a = created('a', await tlsFor(await Authority.create(), 'b'));
    await expect(a.start()).rejects.toMatchObject({ code: 'KONTIKI_BAD_OPTION' });
  });

  it.each([
    ['sends nothing', Buffer.alloc(0), { timeout: 1 }],
    ['never completes the TLS handshake', Buffer.from([0x16]), { tls: 1 }],
  ])('a client that %s is closed', async (_does, bytes, refused) => {
    const options = { ...(await tlsFor(await Authority.create(), 'a')), limits: { handshakeTimeoutMs: 100 } };
    const a = await created('a', options).start();
    const client = createConnection(a.transport.port as number, '127.0.0.1');
    after(() => client.destroy());
    client.write(bytes);
    await new Promise((resolve) => client.on('close', resolve).on('error', () => {}));
    expect(refusals(a)).toEqual(refused);
  });

  it('the oldest connection is closed if too many are in the TLS handshake', async () => {
    const options = { ...(await tlsFor(await Authority.create(), 'a')), limits: { unidentified: 2 } };
    const a = await created('a', options).start();
    const closed: number[] = [];
    for (const number of [1, 2, 3]) {
      const socket = createConnection(a.transport.port as number, '127.0.0.1');
      after(() => socket.destroy());
      socket.on('error', () => {}).on('close', () => closed.push(number));
      await once(socket, 'connect');
    }
    await until(() => closed.length > 0, 'the end of a connection');
    expect([closed, refusals(a)]).toEqual([[1], { unidentified: 1 }]);
  });

  it('a server completes the TLS handshake of a peer during a flood from another machine', async () => {
    const authority = await Authority.create();
    const a = await created('a', { ...(await tlsFor(authority, 'a')), limits: { unidentified: 4 } }).start();
    const flood = (): void => {
      const socket = createConnection({ port: a.transport.port as number, localAddress: '127.0.0.2' });
      after(() => socket.destroy());
      socket.on('error', () => {});
    };
    // The peer sends its part of the handshake only after the flood.
    const slow = createConnection(a.transport.port as number, '127.0.0.1');
    after(() => slow.destroy());
    await once(slow, 'connect');
    for (let i = 0; i < 20; i += 1) flood();
    await until(() => (refusals(a)['unidentified'] ?? 0) >= 17, 'the refusals');
    const { tls } = await tlsFor(authority, 'b');
    const peer = connect({ socket: slow, ...tls, checkServerIdentity: () => undefined } as ConnectionOptions);
    await once(peer, 'secureConnect');
    expect(refusals(a)).toEqual({ unidentified: 17 });
  });

  it('connections from one port to several addresses of a server count separately', async () => {
    const limits = { unidentified: 2 };
    const options = { ...(await tlsFor(await Authority.create(), 'a')), limits, listen: { port: 0, host: '0.0.0.0' } };
    const a = await created('a', options).start();
    const localPort = await freePort();
    const sockets = [2, 3, 4].map((n) => {
      const socket = createConnection({
        port: a.transport.port as number,
        host: `127.0.0.${n}`,
        localAddress: '127.0.0.1',
        localPort,
      });
      after(() => socket.destroy());
      return socket.on('error', () => {});
    });
    await until(() => refusals(a)['unidentified'] === 1, 'the refusal');
    expect(sockets).toHaveLength(3);
  });

  it('a client that disconnects during the TLS handshake is not counted as refused', async () => {
    const a = await created('a', await tlsFor(await Authority.create(), 'a')).start();
    const socket = createConnection(a.transport.port as number, '127.0.0.1');
    await once(socket, 'connect');
    socket.resetAndDestroy();
    // The server handles the connections in order.
    await claim(claimedOf(a), 'b', { rejectUnauthorized: false });
    await until(() => refusals(a)['tls'] !== undefined, 'the refusal of the next client');
    expect(refusals(a)).toEqual({ tls: 1 });
  });

  it('a server refuses TLS 1.1', async () => {
    const authority = await Authority.create();
    const a = await created('a', await tlsFor(authority, 'a')).start();
    const { tls } = await tlsFor(authority, 'b');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
    expect(await claim(claimedOf(a), 'b', { ...tls, ...old })).toBeInstanceOf(Error);
    await until(() => refusals(a)['tls'] === 1, 'the refusal');
  });

  it('a server accepts a certificate from an intermediate authority', async () => {
    const root = await Authority.create('root');
    const intermediate = await root.intermediate('intermediate');
    const a = await created('a', await tlsFor(root, 'a')).start();
    const b = await created('b', await tlsFor(intermediate, 'b')).start();
    introduce(a, b);
    await Promise.all([a.reaches(b), b.reaches(a)]);
  });
}
