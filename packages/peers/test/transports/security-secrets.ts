import { randomBytes } from 'node:crypto';
import { connect } from 'node:tls';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseSecrets } from '../../src/secret.js';
import { Authority, tlsFor } from './certificates.js';
import { cannotConnect, expectRefused, refusals, secured, startDialing, thrownBy } from './secured.js';
import { after, type Created, introduce, until } from './servers.js';

const secret = (): string => randomBytes(32).toString('base64');

/**
 * Shows which clients may connect to a server with shared secrets, and which options are refused.
 */
export function testSecrets(created: Created): void {
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
    await expectRefused(await startDialing(created, { secrets: [secret()] }, options), 'tls');
  });

  it('a server refuses a client that knows the name of a secret but not the key', async () => {
    const key = randomBytes(32);
    const a = await created('a', { secrets: [key] }).start();
    const [{ identity } = { identity: '' }] = parseSecrets([key]);
    const connectWith = async (psk: Buffer): Promise<boolean> => {
      const socket = connect({
        port: a.transport.port as number,
        maxVersion: 'TLSv1.2',
        ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
        checkServerIdentity: () => undefined,
        pskCallback: () => ({ psk, identity }),
      });
      after(() => socket.destroy());
      return new Promise((resolve) =>
        socket.on('error', () => resolve(false)).on('secureConnect', () => resolve(true)),
      );
    };
    expect([await connectWith(key), await connectWith(randomBytes(32))]).toEqual([true, false]);
    await until(() => a.logged(/TLS handshake failed \(ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC\)/), 'the log line');
  });

  it('a server with a secret does not connect to a server without a secret', async () => {
    const [a, b] = await startDialing(created, {}, { secrets: [secret()] });
    await cannotConnect(b);
    expect(a.received).toEqual([]);
  });

  it('a server with a secret does not connect to a server with a certificate', async () => {
    const authority = await Authority.create();
    await expectRefused(await startDialing(created, await tlsFor(authority, 'a'), { secrets: [secret()] }), 'tls');
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
    // While the secret is being changed, servers may dial with either the old or the new one.
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
    expect([refusals(a), refusals(b)]).toEqual([{}, {}]);
    const late = await created('e', { secrets: [old] }).start();
    late.transport.setPeers(new Map([['a', a.address]]));
    await until(() => refusals(a)['tls'] !== undefined, 'the refusal');
  });

  it('log lines, errors and the transport never show a secret', async () => {
    const [mine, wrong] = [randomBytes(32), randomBytes(32)];
    const [a, b] = await startDialing(created, { secrets: [mine] }, { secrets: [wrong] });
    await expectRefused([a, b], 'tls');
    const broken = `${mine.toString('base64')}!`;
    const errors = [
      thrownBy(() => created('c', { secrets: [broken] })),
      thrownBy(() => secured(a).setSecrets([mine.subarray(1), broken])),
      thrownBy(() => secured(a).setSecrets([mine, mine])),
    ];
    const shown = inspect([a.lines, b.lines, a.transport, errors], {
      depth: 12,
      showHidden: true,
      maxStringLength: null,
    });
    expect(shown).toContain('TLS handshake failed');
    const forms = [mine, wrong].flatMap((key) => {
      const hex = key.subarray(1, 9).toString('hex');
      return [key.toString('base64').slice(2, 14), hex, hex.replace(/..(?=.)/g, '$& ')];
    });
    expect(forms.filter((form) => shown.includes(form))).toEqual([]);
  });

  describe('options', () => {
    const twice = randomBytes(32);

    it.each<[string, object, RegExp]>([
      ['a short secret', { secrets: [randomBytes(31)] }, /secrets\[0\] must be 32 to 256 random bytes/],
      ['a secret that is not base64', { secrets: ['päss'] }, /secrets\[0\] must be/],
      ['no secret', { secrets: [] }, /secrets must be an array/],
      ['a hole among the secrets', { secrets: Object.assign([], { 1: randomBytes(32) }) }, /secrets\[0\] must be/],
      [
        'a secret of zeros',
        { secrets: [secret(), Buffer.alloc(32)] },
        /secrets\[1\] must be .* but is one byte that rep/,
      ],
      ['a constant secret', { secrets: [Buffer.alloc(32, 7).toString('base64')] }, /but is one byte that repeats/],
      ['the same secret twice', { secrets: [secret(), twice, twice] }, /secrets\[2\] is the same key as secrets\[1\]/],
      [
        'a secret and its base64',
        { secrets: [twice, twice.toString('base64')] },
        /secrets\[1\] is the same key as secrets\[0\]/,
      ],
      ['an unknown name', { secret: [randomBytes(32)] }, /There is no option transport\.secret/],
    ])('the constructor refuses %s', (_, options, message) => {
      expect(thrownBy(() => created('a', options))).toMatchObject({
        code: 'KONTIKI_BAD_OPTION',
        message: expect.stringMatching(message),
      });
    });

    it.each<[string, object]>([
      ['no certificate', { cert: undefined }],
      ['an empty certificate', { cert: '' }],
      ['an empty key', { key: Buffer.alloc(0) }],
      ['the authorities of the system', { ca: undefined }],
      ['null for the authorities', { ca: null }],
      ['false for the authorities', { ca: false }],
      ['no authorities', { ca: [] }],
      ['an empty authority', { ca: [''] }],
      ['an empty file of authorities', { ca: Buffer.alloc(0) }],
      ['an authority that is not PEM', { ca: 'garbage' }],
      ['another option of Node.js', { minVersion: 'TLSv1' }],
    ])('the constructor and setTls refuse %s, and setTls changes nothing', async (_, change) => {
      const authority = await Authority.create();
      const { tls } = await tlsFor(authority, 'a');
      const wrong = { ...tls, ...change };
      const refused = { code: 'KONTIKI_BAD_OPTION', message: expect.stringMatching(/tls/) };
      expect(thrownBy(() => created('a', { tls: wrong }))).toMatchObject(refused);
      const a = await created('a', { tls }).start();
      expect(thrownBy(() => secured(a).setTls(wrong))).toMatchObject(refused);
      const b = await created('b', await tlsFor(authority, 'b')).start();
      introduce(a, b);
      await b.reaches(a);
    });

    it('the constructor refuses a key that does not match the certificate', async () => {
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
