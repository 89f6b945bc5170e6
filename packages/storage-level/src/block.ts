import type { Entry } from '@kontiki/core';
import { corruptData } from '@kontiki/core/store';
import { entriesLength, readEntries, writeEntries } from '@kontiki/core/wire';
import { indexOf, keyOf } from './keys.js';
import { checksumOf, seal, unseal } from './seal.js';

/**
 * Maximum size of a block in bytes, unless a single entry is larger. Reading a single entry
 * requires reading its whole block.
 */
const MAX_BLOCK = 64 * 1024;

/**
 * A group of entries that are written together, under the index of the first entry. The stored
 * value consists of the checksum of the previous block (4 bytes) and the entries. The checksums
 * link the blocks into a chain, so no block can take another block's place.
 */
export interface Block {
  readonly entries: readonly [Entry, ...Entry[]];
  /** The index of the block's last entry. */
  readonly last: number;
  readonly checksum: number;
  /** The checksum of the previous block, or 0 in the first block. */
  readonly previous: number;
}

export interface EncodedBlock {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly checksum: number;
}

/** Encodes a block. `previous` is the checksum of the previous block. */
export function encodeBlock(generation: number, entries: readonly Entry[], previous: number): EncodedBlock {
  const key = keyOf('block', generation, (entries[0] as Entry).index);
  const value = seal(key, 4 + entriesLength(entries), (writer) => {
    writer.u32(previous);
    writeEntries(writer, entries);
  });
  return { key, value, checksum: checksumOf(value) };
}

export function decodeBlock(key: Uint8Array, value: Uint8Array, where: string): Block {
  const first = indexOf(key);
  if (first === undefined) throw corruptData(where, `a key of ${key.length} bytes is among the keys of entries`);
  const what = `the block of entries that begins at ${first}`;
  return unseal(key, value, [where, what], (reader) => {
    const previous = reader.u32();
    const entries = readEntries(reader, first, 0);
    const last = entries.at(-1);
    if (last === undefined) throw corruptData(where, `${what} is empty`);
    return { entries: entries as [Entry, ...Entry[]], last: last.index, checksum: checksumOf(value), previous };
  });
}

/** Splits entries into groups, one per block. */
export function* splitIntoBlocks(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let begin = 0;
  let bytes = 0;
  for (const [i, entry] of entries.entries()) {
    const more = entriesLength([entry]);
    if (i > begin && bytes + more > MAX_BLOCK) {
      yield entries.slice(begin, i);
      begin = i;
      bytes = 0;
    }
    bytes += more;
  }
  if (begin < entries.length) yield entries.slice(begin);
}
