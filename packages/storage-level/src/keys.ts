import { corruptData } from '@kontiki/core/store';

/**
 * The keys of a log. A single value has a key of one letter. Blocks, terms and memberships have
 * many keys. Each of these consists of a letter, the generation of the log (4 bytes) and an index
 * (8). The numbers are big-endian, so that the keys sort by index.
 *
 * A database batch cannot delete a range of keys. So resetting the log starts a new generation, and
 * the keys of the old generation are deleted later, in the background.
 */
export const OWNER: Uint8Array = letter('o');
export const HEAD: Uint8Array = letter('h');
export const BASE: Uint8Array = letter('b');
/** A key that exists only if the log is retired. Its value is the server's new location. */
export const MOVED: Uint8Array = letter('z');

export type Kind = 'block' | 'term' | 'membership';

const LETTERS: Readonly<Record<Kind, string>> = { block: 'e', term: 't', membership: 'm' };
const LENGTH = 13;

function letter(text: string): Uint8Array {
  return Uint8Array.of(text.charCodeAt(0));
}

export function keyOf(kind: Kind, generation: number, index: number): Uint8Array {
  const key = new Uint8Array(LENGTH);
  const view = new DataView(key.buffer);
  key.set(letter(LETTERS[kind]));
  view.setUint32(1, generation);
  writeIndex(view, 5, index);
  return key;
}

/** Returns the index in a key, or undefined for a key with a different length. */
export function indexOf(key: Uint8Array): number | undefined {
  return key.length === LENGTH ? readIndex(key, 5) : undefined;
}

/** Writes an index as eight big-endian bytes. */
export function writeIndex(view: DataView, at: number, index: number): void {
  view.setUint32(at, Math.floor(index / 2 ** 32));
  view.setUint32(at + 4, index % 2 ** 32);
}

/** Reads an index. Throws `KONTIKI_CORRUPT` if the key is too short or its index too large. */
export function readIndex(key: Uint8Array, at: number): number {
  const view = new DataView(key.buffer, key.byteOffset, key.length);
  const index = key.length < at + 8 ? Number.NaN : view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
  // A loop over larger indices might never end, because adding 1 to such a number may not change
  // it.
  if (Number.isSafeInteger(index + 1)) return index;
  throw corruptData('the database', `a key of ${key.length} bytes has no valid number`);
}
