import type { Entry, NoopEntry } from '../log/entry.js';
import { membershipLength, readMembership, writeMembership } from './membership.js';
import { newerError, protocolError, Reader } from './reader.js';
import type { Writer } from './writer.js';

/**
 * The encoding of consecutive entries, in messages and in stores. It consists of a count (4 bytes),
 * and for each entry its kind (1 byte), term (8), length (4) and payload. If the entry has a log
 * time, 128 is added to its kind, and the log time (8 bytes) follows the term. Indices are not
 * stored; readers count them from the first index. All other kinds are reserved for later versions.
 */
const KIND = { command: 0, noop: 1, membership: 2 } as const;
const HAS_TIME = 0x80;
const HEADER = 13;

function payloadLength(entry: Entry): number {
  if (entry.kind === 'command') return entry.data.length;
  return entry.kind === 'membership' ? membershipLength(entry.membership) : 0;
}

/** Returns the number of bytes that `writeEntries` writes. */
export function entriesLength(entries: readonly Entry[]): number {
  let length = 4;
  for (const entry of entries) length += HEADER + (entry.time === undefined ? 0 : 8) + payloadLength(entry);
  return length;
}

export function writeEntries(writer: Writer, entries: readonly Entry[]): void {
  writer.u32(entries.length);
  for (const entry of entries) {
    const { time } = entry;
    writer.u8(KIND[entry.kind] | (time === undefined ? 0 : HAS_TIME));
    writer.u53(entry.term);
    if (time !== undefined) writer.u53(time);
    writer.u32(payloadLength(entry));
    if (entry.kind === 'command') writer.raw(entry.data);
    else if (entry.kind === 'membership') writeMembership(writer, entry.membership);
  }
}

/**
 * Reads consecutive entries and adds them to `entries`. The first entry has index `first` and
 * follows an entry of `prevTerm`. The payloads are views of the frame. Throws `KONTIKI_FORMAT` at
 * an entry from a newer version of Kontiki.
 */
export function readEntries(reader: Reader, first: number, prevTerm: number, entries: Entry[] = []): Entry[] {
  const count = reader.count(HEADER);
  if (!Number.isSafeInteger(first + count))
    throw protocolError(`${count} entries from index ${first} on exceed index 2^53.`);
  let lastTerm = prevTerm;
  for (let index = first; index < first + count; index += 1) {
    const kind = reader.u8();
    const term = reader.u53();
    const time = kind < HAS_TIME ? undefined : reader.u53();
    const payload = reader.raw(reader.u32());
    if (term < lastTerm || term === 0)
      throw protocolError(`Entry ${index} of term ${term} follows an entry of term ${lastTerm}.`);
    lastTerm = term;
    entries.push(readEntry(kind & ~HAS_TIME, { index, term, time }, payload));
  }
  return entries;
}

function readEntry(kind: number, { index, term, time }: Omit<NoopEntry, 'kind'>, payload: Uint8Array): Entry {
  switch (kind) {
    case KIND.command:
      return { kind: 'command', index, term, time, data: payload };
    case KIND.noop:
      if (payload.length > 0) throw protocolError(`Entry ${index} must be empty, but has ${payload.length} bytes.`);
      return { kind: 'noop', index, term, time };
    case KIND.membership: {
      const reader = new Reader(payload);
      const membership = readMembership(reader);
      reader.end();
      return { kind: 'membership', index, term, time, membership };
    }
    default:
      throw newerError(`Entry ${index} has the unknown kind ${kind}.`);
  }
}
