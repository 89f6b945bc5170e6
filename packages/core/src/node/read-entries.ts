import { KontikiError } from '../errors.js';
import type { Entry } from '../log/entry.js';
import type { LogStore } from '../ports/log-store.js';

/**
 * Reads a page of entries that starts at `from` and ends at `to` or earlier. Rejects with
 * `KONTIKI_CORRUPT` if the store returns anything other than entries in this range.
 */
export async function readEntries(
  log: Pick<LogStore, 'read'>,
  from: number,
  to: number,
  maxBytes: number,
): Promise<readonly Entry[]> {
  const page: unknown = await log.read(from, to, maxBytes);
  const isValid =
    Array.isArray(page) &&
    page.length > 0 &&
    page.length <= to - from + 1 &&
    page.every((entry: Entry | undefined, i) => entry?.index === from + i);
  if (isValid) return page as readonly Entry[];
  throw new KontikiError(
    'KONTIKI_CORRUPT',
    `The log did not return the entries ${from} to ${to} that it claims to hold. Nothing was changed. Check the disk, or the store if it is your own.`,
  );
}
