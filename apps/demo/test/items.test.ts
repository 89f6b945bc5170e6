// Shows that items can change while snapshots of them are being read. Several readers run during
// random changes. Each of them must receive the items as they were when it started.

import { describe, expect, it } from 'vitest';
import { Random } from '@kontiki/testing';
import { Items, type Item } from '../src/kv/items.js';

type Plain = readonly [string, number];

const plain = (items: Iterable<[string, Item]>): Plain[] =>
  [...items].map(([key, { revision }]): Plain => [key, revision]).sort(([a], [b]) => (a < b ? -1 : 1));

/** Advances time, and sets or deletes one of a few keys. Some keys expire. */
function change(items: Items, random: Random, revision: number): void {
  const key = `${random.below(30)}`;
  items.advance(revision);
  if (random.chance(0.1)) items.removeExpired();
  if (random.chance(0.3)) items.delete(key);
  else items.set(key, { value: new Uint8Array(), revision, expiry: random.pick([undefined, revision + 20]) });
}

describe('snapshots of items', () => {
  it('concurrent readers get each item once, as it was when they started', () => {
    for (let seed = 0; seed < 200; seed += 1) {
      const random = new Random(seed, 'snapshots');
      const items = new Items();
      const readers: { expected: Plain[]; read: [string, Item][]; snapshot: Iterator<[string, Item], void> }[] = [];
      for (let revision = 1; revision < 300; revision += 1) {
        change(items, random, revision);
        if (random.chance(0.02)) readers.push({ expected: plain(items), read: [], snapshot: items.snapshot() });
        for (const reader of readers) {
          // Read the first item immediately, because this read determines which items to expect.
          if (reader.read.length > 0 && random.chance(0.7)) continue;
          const next = reader.snapshot.next();
          if (next.done !== true) reader.read.push(next.value);
        }
      }
      for (const { expected, read, snapshot } of readers) {
        for (let next = snapshot.next(); next.done !== true; next = snapshot.next()) read.push(next.value);
        expect(plain(read)).toEqual(expected);
      }
    }
  });

  it('a reader can stop before the end of a snapshot', () => {
    const items = new Items();
    const set = (key: string): void => items.set(key, { value: new Uint8Array(), revision: 1 });
    ['a', 'b', 'c'].forEach(set);
    const snapshot = items.snapshot();
    snapshot.next();
    set('a');
    snapshot.next();
    snapshot.return();
    items.delete('c');
    expect(plain(items.snapshot())).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    expect(snapshot.next()).toEqual({ done: true, value: undefined });
  });
});
