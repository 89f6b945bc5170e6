// Shows which address of a server is used: the newest address that the server announced, or the
// address in the membership. See packages/peers/test/transports/addresses.ts for nodes that move.
import { membershipOf, type Announcement, type MembershipAt } from '@kontiki/core';
import { beforeEach, expect, it } from 'vitest';
import { withAddresses } from '../../src/log/membership-change.js';
import { AddressBook } from '../../src/node/address-book.js';

const at = (index: number, addresses: Record<string, string>): MembershipAt => ({
  index,
  membership: membershipOf(Object.entries(addresses).map(([id, address]) => [id, { address, metadata: '' }])),
});
const from = (id: string, count: number, address: string): Announcement => ({ id, count, address });
const first = at(1, { a: 'old:a', b: 'old:b', c: 'old:c' });

let changes: number;
let book: AddressBook;
beforeEach(() => {
  changes = 0;
  book = new AddressBook('a', 'new:a', 5, () => (changes += 1));
  book.follow([first]);
});

it('an address book lists the announced addresses, newest first', () => {
  book.learn(from('b', 2, 'new:b'));
  book.learn(from('c', 7, 'new:c'));
  expect(book.list()).toEqual([from('c', 7, 'new:c'), from('b', 2, 'new:b'), from('a', 5, 'new:a')]);
  expect([changes, book.version]).toEqual([2, 2]);
});

it.each([
  [3, 2, 'one'],
  [2, 3, 'other'],
  [2, 2, 'one'],
])('an address book prefers the announcement with the higher count (%i or %i)', (one, other, kept) => {
  book.learn(from('b', one, 'one'));
  book.learn(from('b', other, 'other'));
  expect(book.addressOf('b')).toBe(kept);
});

it('an address book ignores unknown servers and forgets removed servers', () => {
  book.learn(from('x', 1, 'new:x'));
  expect([book.addressOf('x'), changes]).toEqual([undefined, 0]);
  book.learn(from('c', 1, 'new:c'));
  const removed = at(2, { a: 'old:a', b: 'old:b' });
  book.follow([first, removed]);
  expect(book.addressOf('c')).toBe('new:c');
  book.follow([removed]);
  expect(book.list()).toEqual([from('a', 5, 'new:a')]);
});

it('an address book does not pass on an announcement of an unchanged address', () => {
  book.learn(from('b', 2, 'old:b'));
  book.learn(from('b', 3, 'old:b'));
  expect([changes, book.version]).toEqual([0, 0]);
});

it('a committed address change replaces earlier announcements, but not later ones', () => {
  book.learn(from('b', 2, 'new:b'));
  const changed = at(2, { a: 'old:a', b: 'operator:b', c: 'old:c' });
  book.follow([first, changed]);
  expect(book.addressOf('b')).toBe('new:b');
  book.follow([changed]);
  expect(book.addressOf('b')).toBeUndefined();
  book.learn(from('b', 2, 'new:b'));
  expect(book.addressOf('b')).toBeUndefined();
  book.learn(from('b', 3, 'newer:b'));
  expect(book.addressOf('b')).toBe('newer:b');
});

it('a server stops announcing an address that a committed membership has changed', () => {
  book.follow([at(2, { a: 'operator:a', b: 'old:b', c: 'old:c' })]);
  expect(book.list()).toEqual([]);
  book.learn(from('a', 9, 'new:a'));
  expect(book.list()).toEqual([]);
});

it('an announced address stays announced when the membership contains it', () => {
  book.learn(from('b', 2, 'new:b'));
  book.follow([at(2, { a: 'new:a', b: 'new:b', c: 'old:c' })]);
  expect(book.list()).toEqual([from('b', 2, 'new:b'), from('a', 5, 'new:a')]);
});

it('a server answers a newer announcement in its own name with an even newer one', () => {
  book.learn(from('a', 4, 'older:a'));
  book.learn(from('a', 9, 'new:a'));
  expect(book.list()).toEqual([from('a', 5, 'new:a')]);
  book.learn(from('a', 9, 'wrong:a'));
  expect(book.list()).toEqual([from('a', 10, 'new:a')]);
  expect(changes).toBe(1);
});

it('an address book ignores the maximum count, so that a server can always answer', () => {
  book.learn(from('a', 999_999_999_999_999, 'other'));
  expect(book.list()).toEqual([from('a', 5, 'new:a')]);
  book.learn(from('a', 999_999_999_999_998, 'other'));
  expect(book.list()).toEqual([from('a', 999_999_999_999_999, 'new:a')]);
});

it('a server that announces nothing does not answer announcements in its name', () => {
  const silent = new AddressBook('a', undefined, 5, () => (changes += 1));
  silent.follow([first]);
  silent.learn(from('a', 9, 'old:a2'));
  expect([silent.list(), changes]).toEqual([[], 0]);
});

/**
 * Returns the addresses that the leader should record, and the servers whose addresses it refuses.
 */
function toRecord(): unknown {
  const refused: string[] = [];
  const check = (addresses: ReadonlyMap<string, string>): void => {
    if (new Set(addresses.values()).size < addresses.size) throw new Error('two servers have one address');
  };
  const found = book.changes(check, (id) => refused.push(id));
  return [Object.fromEntries(found), refused];
}

it('a leader records the announced addresses that the membership lacks', () => {
  book.learn(from('b', 2, 'new:b'));
  book.learn(from('c', 2, 'old:c'));
  expect(toRecord()).toEqual([{ a: { from: 'old:a', to: 'new:a' }, b: { from: 'old:b', to: 'new:b' } }, []]);
});

it('two servers may swap their addresses', () => {
  book.learn(from('b', 2, 'old:c'));
  book.learn(from('c', 2, 'old:b'));
  expect(toRecord()).toMatchObject([{ b: { to: 'old:c' }, c: { to: 'old:b' } }, []]);
});

it('an announcement of another server’s address is not recorded, but others are', () => {
  book.learn(from('b', 2, 'old:c'));
  expect(toRecord()).toEqual([{ a: { from: 'old:a', to: 'new:a' } }, ['b']]);
});

it('withAddresses changes an address unless an operator has changed it since', () => {
  const { membership } = at(1, { a: 'old:a', b: 'operator:b' });
  const announced = new Map(['a', 'b'].map((id) => [id, { from: `old:${id}`, to: `new:${id}` }]));
  const next = withAddresses(membership, announced);
  expect(next).toEqual(at(1, { a: 'new:a', b: 'operator:b' }).membership);
  expect(withAddresses(next as typeof membership, announced)).toBeUndefined();
  expect(withAddresses({ ...membership, level: 0 }, announced)).toBeUndefined();
});
