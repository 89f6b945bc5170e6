import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { createConnection } from 'node:net';
import { connect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { helloHeaders, type PeerTls, type PeerTransport, type SecurityOptions } from '@kontiki/peers';
import { Authority, ExtendedKeyUsage, tlsFor } from './certificates.js';
import { after, type Created, introduce, numbered, type TestServer, until } from './servers.js';

/** Shows who may connect to a server with certificates or shared secrets, and that others get nothing in. */
export function testSecurity(created: Created): void {
  const secret = (): string => randomBytes(32).toString('base64');

  /** Starts `a` and `b`. `b` dials `a`. */
  async function dialing(atA: SecurityOptions, atB: SecurityOptions): Promise<[TestServer, TestServer]> {
    const a = await created('a', atA).start();
    const b = await created('b', atB).start();
    b.transport.setPeers(new Map([['a', a.address]]));
    b.transport.send('a', [numbered(1)]);
    return [a, b];
  }

  /** Expects that `a` refuses `b` for a reason, that `b` reports a failure, and that nothing arrives. */
  async function expectRefused([a, b]: [TestServer, TestServer], reason: string): Promise<void> {
    await until(() => (refusals(a)[reason] ?? 0) > 0, `a refusal for the reason ${reason}`);
    await until(() => b.lines.some(({ text }) => text.startsWith('cannot connect to a')), 'the log line of b');
    expect([a.received, b.received]).toEqual([[], []]);
  }

  describe('certificates', () => {
    it('servers with certificates of one authority exchange messages both ways', async () => {
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
      // `b` itself would refuse to start with this certificate, so it starts with a valid one.
      const b = await created('b', await tlsFor(authority, 'b')).start();
      const wrong = await authority.issue({ uris });
      await claim(a, b.id, wrong);
      await until(() => a.logged(line), 'the log line');
      expect([refusals(a), a.received]).toEqual([{ identity: 1 }, []]);
    });

    it('a server does not connect to a server whose certificate names another one', async () => {
      const authority = await Authority.create();
      const a = await created('a', await tlsFor(authority, 'a')).start();
      const b = await created('b', await tlsFor(authority, 'b')).start();
      b.transport.setPeers(new Map([['c', a.address]]));
      b.transport.send('c', [numbered(1)]);
      const line = /cannot connect to c: it should be c of cluster c-1, but the certificate names .*c-1\/a/;
      await until(() => b.logged(line), 'the log line');
      expect(a.received).toEqual([]);
    });

    it.each([
      ['expired', { days: -1 }, /CERT_HAS_EXPIRED/],
      ['not for clients', { usages: [ExtendedKeyUsage.serverAuth] }, /INVALID_PURPOSE/],
    ])('a server refuses a client whose certificate is %s', async (_, options, line) => {
      const authority = await Authority.create();
      const wrong = await authority.issue({ ...options, uris: ['kontiki://c-1/b'] });
      const servers = await dialing(await tlsFor(authority, 'a'), { tls: wrong });
      await expectRefused(servers, 'tls');
      expect(servers[0].logged(line)).toBe(true);
    });

    it.each([
      ['expired', { days: -1 }, /certificate has expired/],
      ['not for servers', { usages: [ExtendedKeyUsage.clientAuth] }, /unsuitable certificate purpose/],
    ])('a server does not connect to a server whose certificate is %s', async (_, options, line) => {
      const authority = await Authority.create();
      const wrong = await authority.issue({ ...options, uris: ['kontiki://c-1/a'] });
      const [a, b] = await dialing({ tls: wrong }, await tlsFor(authority, 'b'));
      await until(() => b.logged(line), 'the log line');
      expect(a.received).toEqual([]);
    });

    it('a server does not connect to a server with a certificate of another authority', async () => {
      const [one, other] = [await Authority.create('one'), await Authority.create('other')];
      const [a, b] = await dialing(await tlsFor(one, 'a'), await tlsFor(other, 'b'));
      await until(() => b.logged(/cannot connect to a: self-signed certificate in/), 'the log line');
      expect(a.received).toEqual([]);
    });

    it('a server refuses a client with a certificate of another authority', async () => {
      const [one, other] = [await Authority.create('one'), await Authority.create('other')];
      const a = await created('a', await tlsFor(one, 'a')).start();
      await claim(a, 'b', { ...(await other.issue({ uris: ['kontiki://c-1/b'] })), ca: one.pem });
      await until(() => a.logged(/TLS handshake failed \(UNABLE_TO/), 'the log line');
      expect([refusals(a), a.received]).toEqual([{ tls: 1 }, []]);
    });

    it('a server refuses a client without a certificate', async () => {
      const authority = await Authority.create();
      const a = await created('a', await tlsFor(authority, 'a')).start();
      await claim(a, 'b', { ca: authority.pem });
      await until(() => refusals(a)['tls'] === 1, 'the refusal');
      expect(a.received).toEqual([]);
    });

    it('a server with certificates refuses a connection without TLS', async () => {
      const authority = await Authority.create();
      const a = await created('a', await tlsFor(authority, 'a')).start();
      const plain = request({ port: a.transport.port, agent: false }).end();
      const outcome = await new Promise((resolve) => plain.on('error', resolve).on('response', resolve));
      expect(outcome).toBeInstanceOf(Error);
      await until(() => a.logged(/TLS handshake failed \(ERR_SSL_HTTP_REQUEST\)/), 'the log line');
    });

    it('a server with certificates never dials without TLS, whatever the scheme', async () => {
      const authority = await Authority.create();
      const [a, b] = await dialing({}, await tlsFor(authority, 'b'));
      await until(() => b.lines.some(({ text }) => text.startsWith('cannot connect to a')), 'the log line');
      expect([a.received, a.logged(/./)]).toEqual([[], false]);
    });

    it('setTls replaces the authority while messages flow', async () => {
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
      // From now on `a` refuses certificates of the old authority.
      await claim(a, 'b', await tls(old, 'b'));
      await until(() => refusals(a)['tls'] === 1, 'the refusal');
      secured(b).setTls(await tls(next, 'b'));
      const c = await created('c', { tls: await tls(next, 'c') }).start();
      introduce(a, b, c);
      await Promise.all([c.reaches(a), c.reaches(b), b.reaches(c)]);
    });

    it('setTls refuses a certificate of another server and keeps the old one', async () => {
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

    it('a client that never completes the TLS handshake is closed', async () => {
      const options = { ...(await tlsFor(await Authority.create(), 'a')), limits: { handshakeTimeoutMs: 100 } };
      const a = await created('a', options).start();
      const silent = createConnection(a.transport.port as number, '127.0.0.1');
      after(() => silent.destroy());
      await new Promise((resolve) => silent.on('close', resolve).on('error', () => {}));
      expect(refusals(a)).toEqual({ tls: 1 });
    });

    it('the oldest of too many connections in the TLS handshake is closed', async () => {
      const options = { ...(await tlsFor(await Authority.create(), 'a')), limits: { unidentified: 2 } };
      const a = await created('a', options).start();
      const sockets = Array.from({ length: 3 }, () => createConnection(a.transport.port as number, '127.0.0.1'));
      for (const socket of sockets) after(() => socket.on('error', () => {}).destroy());
      await until(() => refusals(a)['unidentified'] === 1, 'the refusal');
    });
  });

  describe('shared secrets', () => {
    it('servers with the same secret exchange messages both ways', async () => {
      const secrets = [secret()];
      const [a, b] = [await created('a', { secrets }).start(), await created('b', { secrets }).start()];
      introduce(a, b);
      await Promise.all([a.reaches(b), b.reaches(a)]);
      expect(refusals(a)).toEqual({});
    });

    it.each([
      ['another secret', { secrets: [secret()] }],
      ['no secret', {}],
    ])('a server with a secret refuses a client with %s', async (_, options) => {
      await expectRefused(await dialing({ secrets: [secret()] }, options), 'tls');
    });

    it('a server refuses a client that knows the name of a secret but not the key', async () => {
      const { parseSecrets } = await import('../../src/secret.js');
      const key = secret();
      const a = await created('a', { secrets: [key] }).start();
      const [{ identity } = { identity: '' }] = parseSecrets([key]);
      const socket = connect({
        port: a.transport.port as number,
        maxVersion: 'TLSv1.2',
        ciphers: 'PSK+HIGH',
        checkServerIdentity: () => undefined,
        pskCallback: () => ({ psk: randomBytes(32), identity }),
      });
      after(() => socket.destroy());
      await new Promise((resolve) => socket.on('error', resolve).on('secureConnect', resolve));
      await until(() => refusals(a)['tls'] === 1, 'the refusal');
    });

    it('a server with a secret does not connect to a server without one', async () => {
      const [a, b] = await dialing({}, { secrets: [secret()] });
      await until(() => b.lines.some(({ text }) => text.startsWith('cannot connect to a')), 'the log line');
      expect(a.received).toEqual([]);
    });

    it('a server with a secret does not connect to a server with a certificate', async () => {
      const authority = await Authority.create();
      await expectRefused(await dialing(await tlsFor(authority, 'a'), { secrets: [secret()] }), 'tls');
    });

    it('setSecrets replaces the secret without losing a connection', async () => {
      const [old, next] = [secret(), secret()];
      const [a, b] = [await created('a', { secrets: [old] }).start(), await created('b', { secrets: [old] }).start()];
      introduce(a, b);
      await a.reaches(b);
      for (const secrets of [
        [old, next],
        [next, old],
      ]) {
        for (const server of [a, b]) secured(server).setSecrets(secrets);
        await Promise.all([a.reaches(b), b.reaches(a)]);
      }
      // During the change, servers may dial with either secret.
      for (const [id, key] of [
        ['c', old],
        ['d', next],
      ] as const) {
        const server = await created(id, { secrets: [key] }).start();
        server.transport.setPeers(new Map([['a', a.address]]));
        await server.reaches(a);
      }
      for (const server of [a, b]) secured(server).setSecrets([next]);
      await Promise.all([a.reaches(b), b.reaches(a)]);
      const late = await created('e', { secrets: [old] }).start();
      late.transport.setPeers(new Map([['a', a.address]]));
      await until(() => refusals(a)['tls'] !== undefined, 'the refusal');
    });

    it('log lines and errors never contain a secret', async () => {
      const [mine, wrong] = [secret(), secret()];
      const [a, b] = await dialing({ secrets: [mine] }, { secrets: [wrong] });
      await expectRefused([a, b], 'tls');
      const text =
        JSON.stringify([a.lines, b.lines]) + String(thrownBy(() => created('c', { secrets: [`${mine}x!`] })));
      expect([text.includes(mine), text.includes(wrong), text.includes('c')]).toEqual([false, false, true]);
    });
  });

  describe('options', () => {
    it.each([
      ['a short secret', { secrets: [randomBytes(31)] }, /secrets\[0\] must be 32 to 256 random bytes/],
      ['a secret that is not base64', { secrets: ['päss'] }, /secrets\[0\] must be/],
      ['no secret', { secrets: [] }, /secrets must be an array/],
      ['an empty certificate', { tls: { cert: '', key: 'k', ca: 'c' } }, /tls\.cert is missing/],
      ['no authority', { tls: { cert: 'c', key: 'k', ca: [] } }, /tls\.ca is missing/],
      ['a certificate that is not PEM', { tls: { cert: 'c', key: 'k', ca: 'c' } }, /must be in PEM format/],
    ])('the constructor refuses %s', (_, options, message) => {
      expect(thrownBy(() => created('a', options))).toMatchObject({
        code: 'KONTIKI_BAD_OPTION',
        message: expect.stringMatching(message),
      });
    });

    it('the constructor refuses a key that does not fit the certificate', async () => {
      const authority = await Authority.create();
      const [one, other] = [await authority.issue(), await authority.issue()];
      expect(thrownBy(() => created('a', { tls: { ...one, key: other.key } }))).toMatchObject({
        code: 'KONTIKI_BAD_OPTION',
        message: expect.stringMatching(/the key must fit the certificate/),
        cause: expect.any(Error),
      });
    });

    it('the constructor refuses tls together with secrets', async () => {
      const tls = await (await Authority.create()).issue();
      expect(thrownBy(() => created('a', { tls, secrets: [secret()] }))).toMatchObject({ code: 'KONTIKI_BAD_OPTION' });
    });

    it.each(['tls', 'secrets'] as const)('a server with %s may listen on all interfaces', async (kind) => {
      const options = kind === 'tls' ? await tlsFor(await Authority.create(), 'a') : { secrets: [secret()] };
      const a = await created('a', { ...options, listen: { port: 0, host: '0.0.0.0' } }).start();
      expect(a.transport.port).toBeGreaterThan(0);
    });
  });
}

type Secured = Pick<PeerTransport<never>, 'setTls' | 'setSecrets' | 'refusals'>;

function secured({ transport }: TestServer): Secured {
  return transport as unknown as Secured;
}

function refusals(server: TestServer): Readonly<Record<string, number>> {
  return secured(server).refusals;
}

/** Sends the handshake of server `from` with any certificate. Resolves when the server has answered or closed. */
async function claim(to: TestServer, from: string, tls: Partial<PeerTls>): Promise<void> {
  const identity = { cluster: 'c-1', server: from, incarnation: 99, genesis: undefined };
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomBytes(16).toString('base64'),
    'sec-websocket-protocol': 'kontiki.1',
  };
  const sent = requestTls({
    ...(tls as object),
    port: to.transport.port,
    method: to.scheme === 'ws' ? 'GET' : 'POST',
    headers: { ...helloHeaders(identity, to.id), ...(to.scheme === 'ws' ? upgrade : {}) },
    checkServerIdentity: () => undefined,
    agent: false,
  });
  after(() => sent.destroy());
  await new Promise((resolve) => {
    for (const event of ['response', 'upgrade', 'error']) sent.on(event, resolve);
    sent.end();
  });
}

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
