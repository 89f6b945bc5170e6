import type { MembershipEntry } from '../log/entry.js';
import { crc32 } from './crc32.js';
import { entriesLength, writeEntries } from './entries.js';
import { Writer } from './writer.js';

/**
 * The checksum of a cluster's first entry, which tells servers that were begun with another list apart: their logs
 * would seem to match everywhere. An unsigned 32-bit number above 0.
 */
export function genesisOf(first: MembershipEntry): number {
  const writer = new Writer(entriesLength([first]));
  writeEntries(writer, [first]);
  return crc32(writer.bytes) || 1;
}
