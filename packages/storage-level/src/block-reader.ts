import { entryBytes, type Entry } from '@kontiki/core';
import { corruptData } from '@kontiki/core/store';
import { decodeBlock } from './block.js';
import { keyOf } from './keys.js';
import type { Namespace } from './namespace.js';

/**
 * Reads entries `from` to `to`, which the log must contain. Stops after the block with which the
 * page exceeds `maxBytes`. Rejects with `KONTIKI_CORRUPT` if an entry is missing or a block does
 * not follow the previous one.
 */
export async function readBlocks(
  { db, where }: Namespace,
  generation: number,
  from: number,
  to: number,
  maxBytes: number,
): Promise<Entry[]> {
  const page: Entry[] = [];
  let bytes = 0;
  let checksum: number | undefined;
  const take = (key: Uint8Array, value: Uint8Array): boolean => {
    const block = decodeBlock(key, value, where);
    const due = from + page.length;
    const fits = checksum === undefined ? block.entries[0].index <= due : block.previous === checksum;
    if (!fits || block.last < due) throw corruptData(where, `entry ${due} is missing`);
    // A block is verified only by the link in the next one, so also read the block after the page.
    if (page.length > 0 && bytes > maxBytes) return false;
    for (const entry of block.entries) {
      if (entry.index < due || entry.index > to) continue;
      bytes += entryBytes(entry);
      page.push(entry);
    }
    checksum = block.checksum;
    return true;
  };
  const low = keyOf('block', generation, 0);
  const begin = keyOf('block', generation, from);
  const [first] = await db.iterator({ gte: low, lte: begin, reverse: true, limit: 1 }).all();
  if (first === undefined) throw corruptData(where, `entry ${from} is missing`);
  take(...first);
  for await (const [key, value] of db.iterator({ gt: begin, lte: keyOf('block', generation, to) })) {
    if (!take(key, value)) return page;
  }
  if (from + page.length <= to) throw corruptData(where, `entry ${from + page.length} is missing`);
  return page;
}
