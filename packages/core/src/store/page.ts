import { entryBytes, type Entry } from '../log/entry.js';

/**
 * Returns the entries `from` to `to` that fit into `maxBytes`, at least one, as `LogStore.read`
 * does. `find` returns some entries from an index on, possibly more than fit, and none if there are
 * no more.
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
