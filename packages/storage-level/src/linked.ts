import type { MembershipAt, Position } from '@kontiki/core';
import { crc32, membershipLength, readMembership, Writer, writeMembership, type Reader } from '@kontiki/core/wire';
import { corrupt } from './failure.js';
import { indexOf, keyOf, type Kind } from './keys.js';
import { seal, unseal } from './sealed.js';

/** What has a key of its own beside the entries, so that a start need not read those. Each begins with the link to the one before it. */
export interface Linked<T extends { readonly index: number }> {
  readonly kind: Kind;
  /** For people. */
  readonly name: string;
  /** A number that tells it from others of its index. */
  readonly mark: (item: T) => number;
  readonly length: (item: T) => number;
  readonly write: (writer: Writer, item: T) => void;
  readonly read: (reader: Reader, index: number) => T;
}

/** Index and mark of an item; zeros for none. */
export interface Link {
  readonly index: number;
  readonly mark: number;
}

const NOTHING: Link = { index: 0, mark: 0 };
/** Bytes of a link. */
export const LINK = 16;

export function linkTo<T extends { readonly index: number }>({ mark }: Linked<T>, item: T | undefined): Link {
  return item === undefined ? NOTHING : { index: item.index, mark: mark(item) };
}

export function writeLink(writer: Writer, { index, mark }: Link): void {
  writer.u53(index);
  writer.u53(mark);
}

export function readLink(reader: Reader): Link {
  return { index: reader.u53(), mark: reader.u53() };
}

export const terms: Linked<Position> = {
  kind: 'term',
  name: 'term',
  mark: ({ term }) => term,
  length: () => 8,
  write: (writer, { term }) => writer.u53(term),
  read: (reader, index) => ({ index, term: reader.u53() }),
};

export const memberships: Linked<MembershipAt> = {
  kind: 'membership',
  name: 'membership',
  mark: ({ membership }) => {
    const writer = new Writer(membershipLength(membership));
    writeMembership(writer, membership);
    return crc32(writer.bytes);
  },
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
  linked: Linked<T>,
  generation: number,
  list: readonly T[],
  index: number,
): { readonly key: Uint8Array; readonly value: Uint8Array }[] {
  const { kind, length, write } = linked;
  const items = since(list, index);
  let before = linkTo(linked, list[list.length - items.length - 1]);
  return items.map((item) => {
    const key = keyOf(kind, generation, item.index);
    const value = seal(key, LINK + length(item), (writer) => {
      writeLink(writer, before);
      write(writer, item);
    });
    before = linkTo(linked, item);
    return { key, value };
  });
}

/** The items found above a base; `KONTIKI_CORRUPT` unless each links to the one before, and `last` to the last one. */
export function decodeAll<T extends { readonly index: number }>(
  linked: Linked<T>,
  found: readonly (readonly [key: Uint8Array, value: Uint8Array])[],
  { base, last }: { readonly base: number; readonly last: Link },
  where: string,
): T[] {
  const { name, read } = linked;
  const items: T[] = [];
  const follows = (link: Link): void => {
    const held = linkTo(linked, items.at(-1));
    // What was at or below the base is let go of.
    const due = link.index > base ? link : NOTHING;
    if (due.index === held.index && due.mark === held.mark) return;
    throw corrupt(where, `the ${name} of entry ${due.index || held.index} is lost`);
  };
  for (const [key, value] of found) {
    const index = indexOf(key) ?? 0;
    const item = unseal(key, value, [where, `the ${name} of entry ${index}`], (reader) => {
      follows(readLink(reader));
      return read(reader, index);
    });
    items.push(item);
  }
  follows(last);
  return items;
}
