import type { MembershipAt, Position } from '@kontiki/core';
import { corruptData } from '@kontiki/core/store';
import { crc32, membershipLength, readMembership, Writer, writeMembership, type Reader } from '@kontiki/core/wire';
import { indexOf, keyOf, type Kind } from './keys.js';
import { seal, unseal } from './seal.js';

/**
 * The terms and memberships of a log have separate keys, so that opening the log does not require
 * reading the entries. Each kind forms a chain. Every item begins with a link to the previous item,
 * and the head of the log links to the last item. This lets `open` detect a missing item.
 */
export interface Chain<T extends { readonly index: number }> {
  readonly kind: Kind;
  /** The name of this kind of item, for use in errors. */
  readonly name: string;
  /** Returns a number that distinguishes an item from others with the same index. */
  readonly fingerprint: (item: T) => number;
  readonly length: (item: T) => number;
  readonly write: (writer: Writer, item: T) => void;
  readonly read: (reader: Reader, index: number) => T;
}

/** The index and fingerprint of an item, or zeros if there is no item. */
export interface Link {
  readonly index: number;
  readonly fingerprint: number;
}

const NO_LINK: Link = { index: 0, fingerprint: 0 };
/** The length of an encoded link in bytes. */
export const LINK = 16;

export function linkTo<T extends { readonly index: number }>({ fingerprint }: Chain<T>, item: T | undefined): Link {
  return item === undefined ? NO_LINK : { index: item.index, fingerprint: fingerprint(item) };
}

export function writeLink(writer: Writer, { index, fingerprint }: Link): void {
  writer.u53(index);
  writer.u53(fingerprint);
}

export function readLink(reader: Reader): Link {
  return { index: reader.u53(), fingerprint: reader.u53() };
}

export const terms: Chain<Position> = {
  kind: 'term',
  name: 'term',
  fingerprint: ({ term }) => term,
  length: () => 8,
  write: (writer, { term }) => writer.u53(term),
  read: (reader, index) => ({ index, term: reader.u53() }),
};

export const memberships: Chain<MembershipAt> = {
  kind: 'membership',
  name: 'membership',
  fingerprint: ({ membership }) => {
    const writer = new Writer(membershipLength(membership));
    writeMembership(writer, membership);
    return crc32(writer.bytes);
  },
  length: ({ membership }) => membershipLength(membership),
  write: (writer, { membership }) => writeMembership(writer, membership),
  read: (reader, index) => ({ index, membership: readMembership(reader) }),
};

/** Returns the items of an ascending list whose index is `index` or higher. */
export function itemsFrom<T extends { readonly index: number }>(list: readonly T[], index: number): readonly T[] {
  let from = list.length;
  while (from > 0 && (list[from - 1] as T).index >= index) from -= 1;
  return list.slice(from);
}

/** Returns the key and value of each item in `list` whose index is `index` or higher. */
export function encodeItemsFrom<T extends { readonly index: number }>(
  chain: Chain<T>,
  generation: number,
  list: readonly T[],
  index: number,
): { readonly key: Uint8Array; readonly value: Uint8Array }[] {
  const { kind, length, write } = chain;
  const items = itemsFrom(list, index);
  let previous = linkTo(chain, list[list.length - items.length - 1]);
  return items.map((item) => {
    const key = keyOf(kind, generation, item.index);
    const value = seal(key, LINK + length(item), (writer) => {
      writeLink(writer, previous);
      write(writer, item);
    });
    previous = linkTo(chain, item);
    return { key, value };
  });
}

/**
 * Decodes the items that were found after the base. Throws `KONTIKI_CORRUPT` unless each item links
 * to the previous item, and `last` links to the last item.
 */
export function decodeItems<T extends { readonly index: number }>(
  chain: Chain<T>,
  found: readonly (readonly [key: Uint8Array, value: Uint8Array])[],
  { base, last }: { readonly base: number; readonly last: Link },
  where: string,
): T[] {
  const { name, read } = chain;
  const items: T[] = [];
  const checkLink = (link: Link): void => {
    const held = linkTo(chain, items.at(-1));
    // Items at or before the base have been deleted, so treat a link to one of them as no link.
    const due = link.index > base ? link : NO_LINK;
    if (due.index === held.index && due.fingerprint === held.fingerprint) return;
    throw corruptData(where, `the ${name} of entry ${due.index || held.index} is missing`);
  };
  for (const [key, value] of found) {
    const index = indexOf(key) ?? 0;
    const item = unseal(key, value, [where, `the ${name} of entry ${index}`], (reader) => {
      checkLink(readLink(reader));
      return read(reader, index);
    });
    items.push(item);
  }
  checkLink(last);
  return items;
}
