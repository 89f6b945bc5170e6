import { entryBytes, type Entry } from '../log/entry.js';

/**
 * Resolves with the entries from `from` to `to` that fit into `maxBytes`, but always at least one,
 * like `LogStore.read`. `find` returns entries from an index on, possibly more than fit. If there
 * are no more entries, it returns an empty array.
 */
export async function readPage(
  find: (from: number, to: number, maxBytes: number) => Promise<readonly Entry[]>,
  from: number,
  to: number,
  maxBytes: number,
): Promise<Entry[]> {
  const page: Entry[] = [];
  let bytes = 0;
  for (let next = from; next <= to && (page.length === 0 || bytes <= maxBytes); next = from + page.length) {
    const found = await find(next, to, maxBytes - bytes);
    if (found.length === 0) break;
    for (const entry of found) {
      bytes += entryBytes(entry);
      if (entry.index > to || (page.length > 0 && bytes > maxBytes)) return page;
      page.push(entry);
    }
  }
  return page;
}
