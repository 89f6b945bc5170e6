// Tests the small parts of transports in isolation: addresses, delays, listening, options and the
// throttled logger.
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { isKontikiError, silentLogger } from '@kontiki/core';
import {
  Backoff,
  checkExposure,
  checkListen,
  isLoopback,
  listen,
  type ListenOptions,
  parseAddress,
  peerLimits,
  ThrottledLogger,
} from '@kontiki/peers';

import { withTls } from '../src/address.js';
import { uriNames } from '../src/certificate-names.js';
import { networkOf } from '../src/network.js';

describe('parseAddress', () => {
  it.each([
    ['ws://10.0.0.1:7001', 'http://10.0.0.1:7001/'],
    ['http://10.0.0.1:7001', 'http://10.0.0.1:7001/'],
    ['wss://raft.example.com', 'https://raft.example.com/'],
    ['https://raft.example.com:8443', 'https://raft.example.com:8443/'],
    ['ws://[::1]:1/raft/a', 'http://[::1]:1/raft/a'],
  ])('parseAddress converts %s to %s', (address, url) => {
    expect(parseAddress(address).href).toBe(url);
  });

  it.each([
    '',
    'a',
    '10.0.0.1:7001',
    'ftp://a',
    'file:///etc/passwd',
    'ws+unix:/socket',
    'ws://',
    'ws://u:p@a',
    'ws://u@a',
    'ws://a#x',
    'ws://a?x=1',
    'ws://a:99999',
    'localhost:7001',
    'tcp://a:7001',
    '',
    'ws://a:0',
    'ws://0.0.0.0:7001',
    'http://[::]:7001',
    'javascript:alert(1)',
  ])('parseAddress throws for %j', (address) => {
    expect(() => parseAddress(address)).toThrow(expect.objectContaining({ code: 'KONTIKI_BAD_OPTION' }));
  });

  it.each([
    ' ws://a:1',
    'ws://a:1 ',
    'ws://a:1\n',
    'ws://a\t:1',
    'ws://a:1/x y',
    'ws://a:1/\u0085',
    'ws://a\0:1',
    'ws://a b',
  ])('parseAddress refuses %j because of its space or control character', (address) => {
    expect(() => parseAddress(address)).toThrow(/a space or a control character/);
  });

  it.each([
    ['ws://u:hunter2@a', /credentials/],
    ['ws://u:hunter2@a b', /a space/],
    ['ws://u:hunter2@a:99999', /not a URL/],
    ['ftp://u:hunter2@a', /scheme/],
  ])('parseAddress does not repeat the password of %s in its error', (address, fault) => {
    expect(() => parseAddress(address)).toThrow(fault);
    expect(() => parseAddress(address)).toThrow(/^(?!.*hunter2)/);
  });
});

describe('Backoff', () => {
  it('Backoff doubles its delays up to a maximum and randomizes their upper half', () => {
    for (const [random, part] of [
      [() => 0, 0.5],
      [() => 1, 1],
    ] as const) {
      const backoff = new Backoff(50, 300, random);
      expect(Array.from({ length: 5 }, () => backoff.next())).toEqual([50, 100, 200, 300, 300].map((d) => d * part));
      backoff.reset();
      expect(backoff.next()).toBe(50 * part);
    }
  });
});

describe('listening', () => {
  it.each(['127.0.0.1', '127.8.9.1', '::1', 'localhost', '::ffff:127.0.0.1'])(
    'isLoopback returns true for %s, and checkExposure accepts it',
    (host) => {
      expect(isLoopback(host)).toBe(true);
      checkExposure(host, false);
    },
  );

  it.each(['', '0.0.0.0', '::', '10.0.0.1', '127.evil.com', '::ffff:10.0.0.1', '128.0.0.1', 'example.com'])(
    'isLoopback returns false for %j, and checkExposure accepts it only if insecure',
    (host) => {
      expect(isLoopback(host)).toBe(false);
      expect(() => checkExposure(host, false)).toThrow(/insecure: true/);
      checkExposure(host, true);
    },
  );

  it('listen rejects with a message that explains the cause', async () => {
    const [one, other] = [createServer(), createServer()];
    await listen(one, '127.0.0.1', 0);
    const { port } = one.address() as { port: number };
    const error: unknown = await listen(other, '127.0.0.1', port).catch((failure: unknown) => failure);
    expect(isKontikiError(error, 'KONTIKI_LISTEN')).toBe(true);
    expect((error as Error).message).toMatch(/another process/);
    await expect(listen(other, '192.0.2.1', 0)).rejects.toThrow(/does not have this address/);
    expect([other.listenerCount('error'), other.listenerCount('listening')]).toEqual([0, 0]);
    one.close();
  });
});

it('listen accepts an IPv6 address in brackets, as in a URL', async () => {
  const server = createServer();
  const hosts: unknown[] = [];
  // Do not actually listen, because not every machine has IPv6.
  server.listen = (_port: unknown, host: unknown) => {
    hosts.push(host);
    server.emit('listening');
    return server;
  };
  checkListen({ port: 0, host: '[::1]' });
  await listen(server, '[::1]', 0);
  expect(hosts).toEqual(['::1']);
});

describe('peerLimits', () => {
  it('peerLimits fills in the defaults', () => {
    expect(peerLimits({ connections: 3 })).toMatchObject({ connections: 3, handshakeTimeoutMs: 3000 });
  });

  it.each([0, -1, Number.NaN, Infinity, 2 ** 31])('peerLimits throws if a limit is %s', (value) => {
    expect(() => peerLimits({ queueBytes: value })).toThrow(/limits\.queueBytes/);
  });
});

describe('checkNames', () => {
  it('peerLimits throws for an unknown name and lists the known names', () => {
    expect(() => peerLimits({ pingInterval: 5 } as object)).toThrow(
      expect.objectContaining({
        code: 'KONTIKI_BAD_OPTION',
        message:
          'There is no option limits.pingInterval. Known names: queueBytes, connections, unidentified, ' +
          'handshakeTimeoutMs, pingIntervalMs, reconnectMinMs, reconnectMaxMs.',
      }),
    );
    expect(() => peerLimits({ constructor: 5 } as object)).toThrow(/no option limits\.constructor/);
  });

  it('checkListen throws for an unknown name and lists the known names', () => {
    expect(() => checkListen({ port: 0, hots: '::1' } as ListenOptions)).toThrow(
      expect.objectContaining({
        code: 'KONTIKI_BAD_OPTION',
        message: 'There is no option listen.hots. Known names: port, host.',
      }),
    );
  });
});

describe('ThrottledLogger', () => {
  it('ThrottledLogger logs one line per topic every ten seconds and counts omitted lines', () => {
    let now = 0;
    const lines: unknown[] = [];
    const logger = new ThrottledLogger(
      { ...silentLogger, warn: (text, details) => lines.push([text, details]) },
      undefined,
      () => now,
    );
    for (let i = 0; i < 5; i += 1) logger.log('warn', 'x', `line ${i}`);
    logger.log('warn', 'y', 'another');
    now = 10_000;
    logger.log('warn', 'x', 'later', { a: 1 });
    logger.log('warn', 'x', 'later still');
    now = 20_000;
    logger.log('warn', 'y', 'another again');
    expect(lines).toEqual([
      ['line 0', {}],
      ['another', {}],
      ['later', { a: 1, suppressed: 4 }],
      ['another again', {}],
    ]);
  });

  it('ThrottledLogger escapes characters that break lines or control a terminal', () => {
    const lines: string[] = [];
    const logger = new ThrottledLogger({ ...silentLogger, warn: (text) => lines.push(text) });
    logger.log('warn', 'x', 'a\nb\u001b[2J\u007f\u009b2J\u2028\u202e\u2066 é €');
    expect(lines).toEqual(['a\\u{a}b\\u{1b}[2J\\u{7f}\\u{9b}2J\\u{2028}\\u{202e}\\u{2066} é €']);
  });

  it('ThrottledLogger has one topic per member and one for all other servers', () => {
    const logger = new ThrottledLogger(silentLogger, (id) => id === 'a' || id === 'b');
    expect(['a', 'b', 'x', 'y'].map((id) => logger.topic('ended', id))).toEqual([
      'ended a',
      'ended b',
      'ended',
      'ended',
    ]);
  });
});

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1::6', '2001:db8:1:0'],
  ['2001::1:2:3:4:5:6', '2001:0:1:2'],
  ['::1', ':0:0:0'],
])('networkOf maps the address %s to %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

it.each([
  ['http://a.example', 'https://a.example:80/'],
  ['ws://a.example:80/raft', 'https://a.example:80/raft'],
  ['ws://a.example:7001', 'https://a.example:7001/'],
  ['wss://a.example', 'https://a.example/'],
])('withTls changes the scheme of %s and not its port', (address, expected) => {
  const url = parseAddress(address);
  withTls(url);
  expect(url.href).toBe(expected);
});

describe('uriNames', () => {
  it.each([
    [undefined, []],
    ['DNS:a.example, URI:kontiki://c-1/a, IP Address:10.0.0.1', ['kontiki://c-1/a']],
    ['URI:kontiki://c-1/a, URI:kontiki://c-2/a', ['kontiki://c-1/a', 'kontiki://c-2/a']],
    // A careless authority may issue certificates with such names, which try to end one name and
    // start another.
    ['DNS:"x, URI:kontiki://c-1/a, y"', []],
    ['DNS:"x\\", URI:kontiki://c-1/a, \\"y"', []],
    ['URI:"kontiki://c-1/a"', []],
    ['DNS:URI:kontiki://c-1/a', []],
    // Names are compared exactly, so their spaces are kept.
    ['URI:kontiki://c-1/a ', ['kontiki://c-1/a ']],
    ['DNS:a,  URI:kontiki://c-1/a', []],
  ])('uriNames(%j) returns %j', (text, uris) => {
    expect(uriNames(text)).toEqual(uris);
  });
});
