// Shows which requests a node serves, depending on its tokens and on the request's headers.
import type { IncomingMessage } from 'node:http';
import { expect, it } from 'vitest';
import { Access } from '../src/http/access.js';

const [token, adminToken] = ['token-of-clients', 'token-of-operators'];

/** Returns the status of the response if a request is refused, or 200 if the request is served. */
function statusOf(access: Access, isAdmin: boolean, headers: IncomingMessage['headers'], method = 'GET'): number {
  try {
    access.check({ method, headers } as IncomingMessage, isAdmin);
    return 200;
  } catch (error) {
    return (error as { readonly status: number }).status;
  }
}

it.each([
  ['no token', {}, 401],
  ['the token', { authorization: `Bearer ${token}` }, 200],
  ['a longer token', { authorization: `Bearer ${token}x` }, 401],
  ['a prefix of the token', { authorization: `Bearer ${token.slice(0, -1)}` }, 401],
  ['another scheme', { authorization: `Basic ${token}` }, 401],
  ['an empty token', { authorization: 'Bearer ' }, 401],
])('a node with a token answers a request that has %s with status %s', (_, headers, status) => {
  expect(statusOf(new Access({ token }), false, headers)).toBe(status);
});

it('admin calls need the admin token, and data calls need the client token', () => {
  const access = new Access({ token, adminToken });
  const as = (given: string): IncomingMessage['headers'] => ({ authorization: `Bearer ${given}` });
  expect([true, false].flatMap((isAdmin) => [token, adminToken].map((t) => statusOf(access, isAdmin, as(t))))).toEqual([
    401, 200, 200, 401,
  ]);
});

it('admin calls need the client token if there is no admin token', () => {
  const access = new Access({ token });
  expect(statusOf(access, true, {})).toBe(401);
  expect(statusOf(access, true, { authorization: `Bearer ${token}` })).toBe(200);
});

it('a node with only an admin token serves data to everyone', () => {
  const access = new Access({ adminToken });
  expect([statusOf(access, false, {}), statusOf(access, true, {})]).toEqual([200, 401]);
});

it.each([
  ['PUT', 403],
  ['POST', 403],
  ['DELETE', 403],
  ['GET', 200],
])('a %s from a web page is answered with status %i', (method, status) => {
  expect(statusOf(new Access(), false, { origin: 'https://evil.example' }, method)).toBe(status);
});
