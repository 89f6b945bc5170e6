import { describe, expect, it } from 'vitest';
import type { Identity } from '@kontiki/core';
import { checkHello, isHandshakeOutdated, helloHeaders, HandshakeError, describeReason } from '@kontiki/peers';

const a: Identity = { cluster: 'c-1', server: 'a', incarnation: 11, genesis: 5 };
const b: Identity = { cluster: 'c-1', server: 'b', incarnation: 12, genesis: 5 };

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
])('checkHello chooses from the framing %s the version %i', (range, version) => {
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
  const good = helloHeaders(a, 'b');
  it.each(Object.keys(good))('checkHello refuses a missing or malformed header %s', (name) => {
    const { [name]: _, ...without } = good;
    const optional = ['kontiki-genesis', 'kontiki-framing'];
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

it('describeReason describes only known reasons', () => {
  expect(describeReason('cluster')).toBe('it belongs to another cluster');
  for (const unknown of ['constructor', '__proto__', 'x', '', undefined, ['cluster']]) {
    expect(describeReason(unknown)).toBeUndefined();
  }
});

it.each([
  [false, 'nothing changed', 5, 5, 5],
  [false, 'the server learned the genesis that it had received', 5, undefined, 5],
  [false, 'both servers are still blank', undefined, undefined, undefined],
  [false, 'only the other server was blank', 5, 5, undefined],
  [true, 'the server learned another genesis', 5, undefined, 6],
  [true, 'both servers were blank', 5, undefined, undefined],
])('isHandshakeOutdated returns %s if %s', (expected, _, now, sent, received) => {
  expect(isHandshakeOutdated(now, sent, received)).toBe(expected);
});
