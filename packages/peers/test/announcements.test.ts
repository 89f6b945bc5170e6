// Shows how handshakes carry announced addresses, and from which servers they are accepted.
import type { IncomingMessage } from 'node:http';
import { beforeEach, expect, it } from 'vitest';
import type { Announcement, Identity } from '@kontiki/core';
import { checkHello, checkRequest, checkResponse, type Context, HandshakeError, helloHeaders } from '@kontiki/peers';

const HEADER = 'kontiki-addresses';
const a: Identity = { cluster: 'c-1', server: 'a', incarnation: 11, genesis: 5, epoch: '' };

let learned: Announcement[];
let context: Context;
beforeEach(() => {
  learned = [];
  const announcements = {
    version: 0,
    list: () => [],
    isNews: ({ id }: Announcement) => id !== 'known',
    learn: (announcement: Announcement) => void learned.push(announcement),
  };
  const self = { ...a, server: 'b', incarnation: 12, announcements };
  const security = { checkClient: () => {}, checkName: () => {} };
  context = { self, security } as unknown as Context;
});

/** Returns the headers that server a sends when it announces these addresses. */
function headersWith(list: readonly Announcement[]): Record<string, string> {
  const announcements = { version: 0, list: () => list, isNews: () => false, learn: () => {} };
  return helloHeaders({ ...a, announcements }, 'b');
}

const request = (headers: object): IncomingMessage => ({ headers, socket: {} }) as IncomingMessage;
const two = [
  { id: 'a', count: 3, address: 'ws://10.0.0.1:7001' },
  { id: 'c', count: Number('9'.repeat(15)), address: 'https://c.example/raft,1' },
];

it('a handshake carries announced addresses in both directions', () => {
  const headers = headersWith(two);
  checkRequest(context, request(headers));
  expect(learned).toEqual(two);
  checkResponse(context, headers, 'a');
  expect(learned).toEqual([...two, ...two]);
});

it('a server that announces nothing sends no addresses and ignores received ones', () => {
  expect(headersWith([])).not.toHaveProperty(HEADER);
  expect(helloHeaders(a, 'b')).not.toHaveProperty(HEADER);
  context = { ...context, self: { ...context.self, announcements: undefined } };
  expect(checkRequest(context, request(headersWith(two))).from).toBe('a');
});

it('announced addresses are used only after the sender has been authenticated', () => {
  checkHello(context.self, headersWith(two));
  const refuse = (): never => {
    throw new HandshakeError('identity', 'another name');
  };
  for (const check of ['checkClient', 'checkName']) {
    const security = { checkClient: () => {}, checkName: () => {}, [check]: refuse };
    const refused = { ...context, security } as unknown as Context;
    expect(() => checkRequest(refused, request(headersWith(two)))).toThrow('another name');
  }
  expect(() => checkResponse(context, headersWith(two), 'c')).toThrow(/answered at the address of c/);
  expect(learned).toEqual([]);
});

it('a handshake carries the newest addresses that fit into 4,096 bytes', () => {
  const many = Array.from({ length: 32 }, (_, i) => ({
    id: `s${i}`,
    count: 1,
    address: `ws://${'x'.repeat(500)}:${7_000 + i}`,
  }));
  const headers = headersWith(many);
  expect(headers[HEADER]?.length).toBeLessThanOrEqual(4_096);
  checkRequest(context, request(headers));
  expect(learned).toEqual(many.slice(0, 7));
});

it.each([
  ['an incomplete announcement', 'a 1'],
  ['a count of zero', 'a 0 ws://a:1'],
  ['a count that is too high', `a ${'9'.repeat(16)} ws://a:1`],
  ['an id with other characters', 'a/b 1 ws://a:1'],
  ['another separator', 'a 1 ws://a:1,c 1 ws://c:1'],
  ['an address of another kind', 'a 1 ftp://a:1'],
  ['an address with a password', 'a 1 ws://u:hunter2@a:1'],
  ['an address with other characters', 'a 1 ws://ä:1'],
  ['an address of more than 512 bytes', `a 1 ws://${'x'.repeat(506)}:1`],
  ['a header of more than 4,096 bytes', 'a 1 ws://a:1 '.repeat(400)],
  ['two headers', ['a 1 ws://a:1', 'a 1 ws://a:1']],
])('a handshake with %s is malformed', (_, value) => {
  const check = (): unknown => checkRequest(context, request({ ...headersWith([]), [HEADER]: value }));
  expect(check).toThrow(expect.objectContaining({ reason: 'malformed' }));
  expect(check).toThrow(/^(?!.*hunter2)/);
});

it('a malformed address in an old announcement is ignored', () => {
  const headers = { ...headersWith([]), [HEADER]: 'known 1 ftp://a:1 c 1 ws://c:1' };
  checkRequest(context, request(headers));
  expect(learned).toEqual([{ id: 'c', count: 1, address: 'ws://c:1' }]);
});
