import { describe, expect, it } from 'vitest';
import { Random } from '@kontiki/testing';
import { Items, type Item } from '../src/kv/items.js';

type Plain = readonly [string, number];

const plain = (items: Iterable<[string, Item]>): Plain[] =>
  [...items].map(([key, { revision }]): Plain => [key, revision]).sort(([a], [b]) => (a < b ? -1 : 1));

/** Sets or deletes one of a few keys. */
function change(items: Items, random: Random, revision: number): void {
  const key = `${random.below(30)}`;
  if (random.chance(0.4)) items.delete(key);
  else items.set(key, { value: new Uint8Array(), revision });
}

describe('items that are read while they change', () => {
  it('are given as they were when the first was asked for, each once, to each of several readers', () => {
    for (let seed = 0; seed < 200; seed += 1) {
      const random = new Random(seed, 'walks');
      const items = new Items();
      const readers: { due: Plain[]; given: [string, Item][]; walk: Iterator<[string, Item], void> }[] = [];
      for (let revision = 1; revision < 300; revision += 1) {
        change(items, random, revision);
        if (random.chance(0.02)) readers.push({ due: plain(items), given: [], walk: items.walk() });
        for (const reader of readers) {
          // The first one at once: what a reader sees begins with it.
          if (reader.given.length > 0 && random.chance(0.7)) continue;
          const next = reader.walk.next();
          if (next.done !== true) reader.given.push(next.value);
        }
      }
      for (const { due, given, walk } of readers) {
        for (let next = walk.next(); next.done !== true; next = walk.next()) given.push(next.value);
        expect(plain(given)).toEqual(due);
      }
    }
  });

  it('may be left by a reader before their end', () => {
    const items = new Items();
    const set = (key: string): void => items.set(key, { value: new Uint8Array(), revision: 1 });
    ['a', 'b', 'c'].forEach(set);
    const walk = items.walk();
    walk.next();
    set('a');
    walk.next();
    walk.return();
    items.delete('c');
    expect(plain(items.walk())).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    expect(walk.next()).toEqual({ done: true, value: undefined });
  });
});
