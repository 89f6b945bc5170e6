import type { MembershipEntry } from '../log/entry.js';
import { crc32 } from './crc32.js';
import { entriesLength, writeEntries } from './entries.js';
import { textLength, Writer } from './writer.js';

/**
 * Returns the genesis of a cluster: the checksum of its first entry, an unsigned 32-bit number
 * above 0. It lets servers detect that they were bootstrapped with different members. Otherwise,
 * their logs would appear to match.
 */
export function genesisOf(first: MembershipEntry): number {
  const writer = new Writer(entriesLength([first]));
  writeEntries(writer, [first]);
  return crc32(writer.bytes) || 1;
}

/**
 * Returns the genesis of a cluster that starts with a snapshot of another cluster. This checksum
 * covers the new cluster's id, the snapshot's id and the new membership, so every restored cluster
 * has a different genesis.
 */
export function restoredGenesis(cluster: string, snapshot: string, first: MembershipEntry): number {
  const writer = new Writer(textLength(cluster) + snapshot.length / 2 + entriesLength([first]));
  writer.text(cluster);
  writer.hex(snapshot);
  writeEntries(writer, [first]);
  return crc32(writer.bytes) || 1;
}
