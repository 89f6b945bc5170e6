import { describe, expect, it } from 'vitest';
import type { Identity } from '@kontiki/core';
import {
  checkHello,
  type Claims,
  describeReason,
  HandshakeError,
  helloHeaders,
  isHandshakeOutdated,
} from '@kontiki/peers';

const a: Identity = { cluster: 'c-1', server: 'a', incarnation: 11, genesis: 5, epoch: '' };
const b: Identity = { cluster: 'c-1', server: 'b', incarnation: 12, genesis: 5, epoch: '' };
const [first, second] = ['1'.repeat(32), '2'.repeat(32)];

function reason(self: Identity, headers: Record<string, string | string[]>, dialed?: string): string {
  try {
    checkHello(self, headers, dialed);
    return 'accepted';
  } catch (error) {
    expect(error).toBeInstanceOf(HandshakeError);
    expect(error).toMatchObject({ code: 'KONTIKI_PROTOCOL' });
    return (error as HandshakeError).reason;
  }
}

it('checkHello returns the identity that helloHeaders sent', () => {
  expect(checkHello(b, helloHeaders(a, 'b'))).toEqual({
    cluster: 'c-1',
    from: 'a',
    to: 'b',
    incarnation: 11,
    genesis: 5,
    epoch: '',
    framing: 3,
  });
  expect(checkHello(a, helloHeaders(b, 'a'), 'b').from).toBe('b');
});

it('a handshake can contain the largest numbers and an undefined genesis', () => {
  const largest = { ...a, incarnation: Number.MAX_SAFE_INTEGER, genesis: 0xffff_ffff };
  expect(checkHello({ ...b, genesis: undefined }, helloHeaders(largest, 'b'))).toMatchObject({
    incarnation: Number.MAX_SAFE_INTEGER,
    genesis: 0xffff_ffff,
  });
  expect(checkHello(b, helloHeaders({ ...a, genesis: undefined }, 'b')).genesis).toBeUndefined();
});

it('checkHello accepts a blank server, and a blank server accepts any genesis', () => {
  expect(reason(b, helloHeaders({ ...a, genesis: undefined }, 'b'))).toBe('accepted');
  expect(reason({ ...b, genesis: undefined }, helloHeaders(a, 'b'))).toBe('accepted');
});

it.each([
  ['a server of another cluster', { cluster: 'c-2' }, 'cluster'],
  ['this server itself', { server: 'b', incarnation: 12 }, 'self'],
  ['another process with the same id', { server: 'b', incarnation: 99 }, 'self'],
  ['a server with another genesis', { genesis: 6 }, 'genesis'],
  ['a server with another epoch', { epoch: first }, 'epoch'],
])('checkHello refuses %s', (_, change, expected) => {
  expect(reason(b, helloHeaders({ ...a, ...change }, 'b'))).toBe(expected);
});

it('checkHello refuses a handshake with an unexpected receiver or sender', () => {
  expect(reason(b, helloHeaders(a, 'c'))).toBe('receiver');
  expect(reason(b, helloHeaders(a, 'b'), 'c')).toBe('receiver');
});

it.each([
  [undefined, 1],
  ['1-1', 1],
  ['1-2', 2],
  ['2-2', 2],
  ['1-9', 3],
])('checkHello, given the framing %s, chooses version %i', (range, version) => {
  const { 'kontiki-framing': _, ...headers } = helloHeaders(a, 'b');
  const hello = checkHello(b, range === undefined ? headers : { ...headers, 'kontiki-framing': range });
  expect(hello.framing).toBe(version);
});

it.each([
  ['4-9', 'version'],
  ['2-1', 'malformed'],
  ['0-2', 'malformed'],
  ['2', 'malformed'],
  ['1-2-3', 'malformed'],
])('checkHello refuses the framing %s', (range, expected) => {
  expect(reason(b, { ...helloHeaders(a, 'b'), 'kontiki-framing': range })).toBe(expected);
});

describe('malformed headers', () => {
  const good = helloHeaders({ ...a, epoch: undefined }, 'b');
  it.each(Object.keys(good))('checkHello refuses a missing or malformed header %s', (name) => {
    const { [name]: _, ...without } = good;
    const optional = ['kontiki-genesis', 'kontiki-epoch', 'kontiki-framing'];
    if (!optional.includes(name)) expect(reason(b, without)).not.toBe('accepted');
    const never = ['', ' ', 'a,b', '__proto__ ', 'é', '5, 5', 'x'.repeat(65_536), ['5', '5']];
    const noNumber = ['-1', '0', '05', '0x10', '1e5', '1.5', 'NaN'];
    const isNumber = name === 'kontiki-incarnation' || name === 'kontiki-genesis';
    for (const value of [...never, ...(isNumber ? noNumber : [])]) {
      expect(['malformed', 'version']).toContain(reason(b, { ...good, [name]: value }));
    }
  });
});

it('checkHello quotes and truncates foreign text in its errors', () => {
  const error = (() => {
    try {
      return checkHello(b, { ...helloHeaders(a, 'b'), 'kontiki-from': `\n${'x'.repeat(10_000)}` });
    } catch (thrown) {
      return thrown as Error;
    }
  })() as Error;
  expect(error.message).not.toContain('\n');
  expect(error.message.length).toBeLessThan(200);
});

it('describeReason describes known reasons only', () => {
  expect(describeReason('cluster')).toBe('it belongs to another cluster');
  for (const unknown of ['constructor', '__proto__', 'x', '', undefined, ['cluster']]) {
    expect(describeReason(unknown)).toBeUndefined();
  }
});

describe('epochs', () => {
  it.each([
    ['a server that was never recovered', '', {}],
    ['a recovered server', first, { 'kontiki-epoch': first }],
    ['a server that no membership names', undefined, { 'kontiki-epoch': 'any' }],
  ])('helloHeaders and checkHello agree on the epoch of %s', (_, epoch, headers) => {
    const sent = helloHeaders({ ...a, epoch }, 'b');
    expect(Object.fromEntries(Object.entries(sent).filter(([name]) => name === 'kontiki-epoch'))).toEqual(headers);
    expect(checkHello({ ...b, epoch: undefined }, sent).epoch).toBe(epoch);
  });

  it('a blank server sends no epoch, and servers of every epoch accept it', () => {
    const sent = helloHeaders({ ...a, genesis: undefined, epoch: undefined }, 'b');
    expect(sent).not.toHaveProperty('kontiki-epoch');
    for (const epoch of ['', first, undefined]) expect(checkHello({ ...b, epoch }, sent).epoch).toBe(undefined);
  });

  it.each([
    ['', first, 'b was left behind when the cluster of a was recovered. Stop b, empty it'],
    [first, '', 'a was left behind when the cluster of b was recovered. Stop a, empty it'],
    [first, second, 'were recovered separately. Decide which cluster to keep'],
  ])('checkHello at epoch "%s" reports what to do about epoch "%s"', (own, other, text) => {
    const headers = helloHeaders({ ...a, epoch: other }, 'b');
    expect(() => checkHello({ ...b, epoch: own }, headers)).toThrow(text);
    expect(reason({ ...b, epoch: own }, headers)).toBe('epoch');
    expect(reason({ ...b, epoch: other }, headers)).toBe('accepted');
    expect(reason({ ...b, epoch: undefined }, headers)).toBe('accepted');
  });
});

it.each([
  [false, 'nothing changed', 5, 5, 5],
  [false, 'the server learned the value that it had received', 5, undefined, 5],
  [false, 'both servers still lack the value', undefined, undefined, undefined],
  [false, 'only the other server lacked the value', 5, 5, undefined],
  [true, 'the server learned another value', 5, undefined, 6],
  [true, 'both servers lacked the value', 5, undefined, undefined],
])('isHandshakeOutdated returns %s if %s', (expected, _, now, sent, received) => {
  const claims = (genesis: number | undefined): Claims => ({ genesis, epoch: '' });
  expect(isHandshakeOutdated(claims(now), claims(sent), claims(received))).toBe(expected);
  const epochs = [now, sent, received].map((value) => ({ genesis: 1, epoch: value?.toString() }));
  expect(isHandshakeOutdated(...(epochs as [Claims, Claims, Claims]))).toBe(expected);
});
