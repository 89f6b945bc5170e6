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

it('says who speaks and who is meant, and is understood', () => {
  expect(checkHello(b, helloHeaders(a, 'b'))).toEqual({
    cluster: 'c-1',
    from: 'a',
    to: 'b',
    incarnation: 11,
    genesis: 5,
  });
  expect(checkHello(a, helloHeaders(b, 'a'), 'b').from).toBe('b');
});

it('carries the largest numbers, and no genesis while there is none', () => {
  const largest = { ...a, incarnation: Number.MAX_SAFE_INTEGER, genesis: 0xffff_ffff };
  expect(checkHello({ ...b, genesis: undefined }, helloHeaders(largest, 'b'))).toMatchObject({
    incarnation: Number.MAX_SAFE_INTEGER,
    genesis: 0xffff_ffff,
  });
  expect(checkHello(b, helloHeaders({ ...a, genesis: undefined }, 'b')).genesis).toBeUndefined();
});

it('accepts a blank server, and is accepted as one', () => {
  expect(reason(b, helloHeaders({ ...a, genesis: undefined }, 'b'))).toBe('accepted');
  expect(reason({ ...b, genesis: undefined }, helloHeaders(a, 'b'))).toBe('accepted');
});

it.each([
  ['another cluster', { cluster: 'c-2' }, 'cluster'],
  ['this server itself', { server: 'b', incarnation: 12 }, 'self'],
  ['another process under this id', { server: 'b', incarnation: 99 }, 'self'],
  ['another list of first servers', { genesis: 6 }, 'genesis'],
])('refuses %s', (_, change, expected) => {
  expect(reason(b, helloHeaders({ ...a, ...change }, 'b'))).toBe(expected);
});

it('refuses what was meant for another, and who isn’t the one that was dialed', () => {
  expect(reason(b, helloHeaders(a, 'c'))).toBe('receiver');
  expect(reason(b, helloHeaders(a, 'b'), 'c')).toBe('receiver');
});

describe('headers that cannot be read', () => {
  const good = helloHeaders(a, 'b');
  it.each(Object.keys(good))('%s', (name) => {
    const { [name]: _, ...without } = good;
    if (name !== 'kontiki-genesis') expect(reason(b, without)).not.toBe('accepted');
    const never = ['', ' ', 'a,b', '__proto__ ', 'é', '5, 5', 'x'.repeat(65_536), ['5', '5']];
    const noNumber = ['-1', '0', '05', '0x10', '1e5', '1.5', 'NaN'];
    const isNumber = name === 'kontiki-incarnation' || name === 'kontiki-genesis';
    for (const value of [...never, ...(isNumber ? noNumber : [])]) {
      expect(['malformed', 'version']).toContain(reason(b, { ...good, [name]: value }));
    }
  });
});

it('does not repeat foreign text at length in its sentences', () => {
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

it('explains the reasons it knows and no others', () => {
  expect(describeReason('cluster')).toBe('it belongs to another cluster');
  for (const unknown of ['constructor', '__proto__', 'x', '', undefined, ['cluster']]) {
    expect(describeReason(unknown)).toBeUndefined();
  }
});

it.each([
  ['nothing has changed', 5, 5, 5, false],
  ['it learned what it had been told', 5, undefined, 5, false],
  ['both are still blank', undefined, undefined, undefined, false],
  ['the other one was blank, and is checked there', 5, 5, undefined, false],
  ['it learned another', 5, undefined, 6, true],
  ['both were blank', 5, undefined, undefined, true],
])('asks for a new handshake after a server came to its genesis: %s', (_, now, sent, received, expected) => {
  expect(isHandshakeOutdated(now, sent, received)).toBe(expected);
});
