import type { MembershipEntry } from '../log/entry.js';
import { crc32 } from './crc32.js';
import { entriesLength, writeEntries } from './entries.js';
import { Writer } from './writer.js';

/**
 * Returns the checksum of a cluster's first entry, an unsigned 32-bit number above 0. It
 * distinguishes servers that were bootstrapped with different members. Without it their logs would
 * appear to match.
 */
export function genesisOf(first: MembershipEntry): number {
  const writer = new Writer(entriesLength([first]));
  writeEntries(writer, [first]);
  return crc32(writer.bytes) || 1;
}
