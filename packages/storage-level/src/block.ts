import type { Entry } from '@kontiki/core';
import { entriesLength, readEntries, writeEntries } from '@kontiki/core/wire';
import { corrupt } from './failure.js';
import { indexOf, keyOf } from './keys.js';
import { checksumOf, seal, unseal } from './sealed.js';

/** Bytes of a block, above a single entry of any size: what a read of one entry costs at the most. */
const MAX_BLOCK = 64 * 1024;

/** Entries that were written together, under the index of the first one: the checksum of the block before (4 bytes), then the entries. */
export interface Block {
  readonly entries: readonly [Entry, ...Entry[]];
  readonly last: number;
  /** Checksums of this block and of the one before it: a chain, in which no other block has the same place. */
  readonly sum: number;
  readonly before: number;
}

export interface EncodedBlock {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly sum: number;
}

/** `before`: the checksum of the block before it. */
export function encodeBlock(generation: number, entries: readonly Entry[], before: number): EncodedBlock {
  const key = keyOf('block', generation, (entries[0] as Entry).index);
  const value = seal(key, 4 + entriesLength(entries), (writer) => {
    writer.u32(before);
    writeEntries(writer, entries);
  });
  return { key, value, sum: checksumOf(value) };
}

export function decodeBlock(key: Uint8Array, value: Uint8Array, where: string): Block {
  const first = indexOf(key);
  if (first === undefined) throw corrupt(where, `a key of ${key.length} bytes stands among the entries`);
  const what = `the block of entries that begins at ${first}`;
  return unseal(key, value, [where, what], (reader) => {
    const before = reader.u32();
    const entries = readEntries(reader, first, 0);
    const last = entries.at(-1);
    if (last === undefined) throw corrupt(where, `${what} is empty`);
    return { entries: entries as [Entry, ...Entry[]], last: last.index, sum: checksumOf(value), before };
  });
}

/** Cuts entries into those of one block each. */
export function* blocksOf(entries: readonly Entry[]): Generator<readonly Entry[]> {
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
