import type { MembershipAt, Position } from '@kontiki/core';
import { membershipLength, readMembership, writeMembership, type Reader, type Writer } from '@kontiki/core/wire';
import { corrupt } from './failure.js';
import { indexOf, keyOf, type Kind } from './keys.js';
import { seal, unseal } from './sealed.js';

/** What has a key of its own beside the entries, so that a start need not read those: each names the index of the one before it (8 bytes). */
export interface Linked<T extends { readonly index: number }> {
  readonly kind: Kind;
  /** For people. */
  readonly name: string;
  readonly length: (item: T) => number;
  readonly write: (writer: Writer, item: T) => void;
  readonly read: (reader: Reader, index: number) => T;
}

export const terms: Linked<Position> = {
  kind: 'term',
  name: 'term',
  length: () => 8,
  write: (writer, { term }) => writer.u53(term),
  read: (reader, index) => ({ index, term: reader.u53() }),
};

export const memberships: Linked<MembershipAt> = {
  kind: 'membership',
  name: 'membership',
  length: ({ membership }) => membershipLength(membership),
  write: (writer, { membership }) => writeMembership(writer, membership),
  read: (reader, index) => ({ index, membership: readMembership(reader) }),
};

/** The items of an ascending list from an index on. */
export function since<T extends { readonly index: number }>(list: readonly T[], index: number): readonly T[] {
  let from = list.length;
  while (from > 0 && (list[from - 1] as T).index >= index) from -= 1;
  return list.slice(from);
}

/** Key and value of each item of `list` from an index on. */
export function encodeSince<T extends { readonly index: number }>(
  { kind, length, write }: Linked<T>,
  generation: number,
  list: readonly T[],
  index: number,
): { readonly key: Uint8Array; readonly value: Uint8Array }[] {
  const items = since(list, index);
  let before = list[list.length - items.length - 1]?.index ?? 0;
  return items.map((item) => {
    const key = keyOf(kind, generation, item.index);
    const value = seal(key, 8 + length(item), (writer) => {
      writer.u53(before);
      write(writer, item);
    });
    before = item.index;
    return { key, value };
  });
}

/** The items found above a base; `KONTIKI_CORRUPT` unless each names the one before, and `last` is that of the last one. */
export function decodeAll<T extends { readonly index: number }>(
  { name, read }: Linked<T>,
  found: readonly (readonly [key: Uint8Array, value: Uint8Array])[],
  { base, last }: { readonly base: number; readonly last: number },
  where: string,
): T[] {
  const items: T[] = [];
  const follows = (before: number): void => {
    const held = items.at(-1)?.index ?? 0;
    // What was at or below the base is let go of.
    if ((before > base ? before : 0) !== held) throw corrupt(where, `the ${name} of entry ${before || held} is lost`);
  };
  for (const [key, value] of found) {
    const index = indexOf(key) ?? 0;
    const what = `the ${name} of entry ${index}`;
    const item = unseal(key, value, [where, what], (reader) => {
      follows(reader.u53());
      return read(reader, index);
    });
    items.push(item);
  }
  follows(last);
  return items;
}
