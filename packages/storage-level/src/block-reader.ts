import { entryBytes, type Entry } from '@kontiki/core';
import { decodeBlock } from './block.js';
import { corrupt } from './failure.js';
import { keyOf } from './keys.js';
import type { Room } from './room.js';

/**
 * Entries `from` to `to`, which are there, as far as they go with the block that passes `maxBytes`. `KONTIKI_CORRUPT` when
 * one is missing, or is not what once stood behind the one before.
 */
export async function readBlocks(
  { db, where }: Room,
  generation: number,
  from: number,
  to: number,
  maxBytes: number,
): Promise<Entry[]> {
  const page: Entry[] = [];
  let bytes = 0;
  let sum: number | undefined;
  const take = (key: Uint8Array, value: Uint8Array): boolean => {
    const block = decodeBlock(key, value, where);
    const due = from + page.length;
    const fits = sum === undefined ? block.entries[0].index <= due : block.before === sum;
    if (!fits || block.last < due) throw corrupt(where, `entry ${due} is lost`);
    // A block is what it was unless the one behind it says otherwise, so that one is looked at, too.
    if (page.length > 0 && bytes > maxBytes) return false;
    for (const entry of block.entries) {
      if (entry.index < due || entry.index > to) continue;
      bytes += entryBytes(entry);
      page.push(entry);
    }
    sum = block.sum;
    return true;
  };
  const low = keyOf('block', generation, 0);
  const begin = keyOf('block', generation, from);
  const [first] = await db.iterator({ gte: low, lte: begin, reverse: true, limit: 1 }).all();
  if (first === undefined) throw corrupt(where, `entry ${from} is lost`);
  take(...first);
  for await (const [key, value] of db.iterator({ gt: begin, lte: keyOf('block', generation, to) })) {
    if (!take(key, value)) return page;
  }
  if (from + page.length <= to) throw corrupt(where, `entry ${from + page.length} is lost`);
  return page;
}
