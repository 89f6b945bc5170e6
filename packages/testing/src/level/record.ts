import { crc32, Reader, Writer } from '@kontiki/core/wire';

/** A change of one key. An undefined `value` deletes the key. */
export interface Change {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/**
 * Length of a record's header. A record contains one batch and starts at a multiple of 8 in its
 * file. Its fields:
 *
 * - checksum of all following bytes (4 bytes)
 * - length of the record (4)
 * - number of the file's bytes that were synced before the record was written (8)
 * - number of changes (4)
 * - per change: length of the key (4), length of the value (4), key, value. The length of the value
 *   is 2^32 - 1 if the key is deleted.
 */
const HEADER = 20;
const DELETED = 0xffff_ffff;

export function encodeRecord(changes: readonly Change[], synced: number): Uint8Array {
  let length = HEADER;
  for (const { key, value } of changes) length += 8 + key.length + (value?.length ?? 0);
  const writer = new Writer((length + 7) & ~7);
  writer.u32(0);
  writer.u32(writer.bytes.length);
  writer.u53(synced);
  writer.u32(changes.length);
  for (const { key, value } of changes) {
    writer.u32(key.length);
    writer.u32(value?.length ?? DELETED);
    writer.raw(key);
    if (value !== undefined) writer.raw(value);
  }
  writer.u32At(0, crc32(writer.bytes.subarray(4)));
  return writer.bytes;
}

/** A record that was found in a file. */
export interface FoundRecord {
  readonly changes: readonly Change[];
  readonly synced: number;
  readonly end: number;
}

/** Returns the record at a position, or undefined if no valid record starts there. */
export function recordAt(bytes: Uint8Array, start: number): FoundRecord | undefined {
  if (bytes.length - start < HEADER) return undefined;
  const reader = new Reader(bytes.subarray(start));
  const checksum = reader.u32();
  const length = reader.u32();
  if (length < HEADER || length > bytes.length - start) return undefined;
  if (crc32(bytes.subarray(start + 4, start + length)) !== checksum) return undefined;
  const synced = reader.u53();
  const changes = Array.from({ length: reader.u32() }, () => {
    const [keyLength, valueLength] = [reader.u32(), reader.u32()];
    const key = reader.raw(keyLength).slice();
    return { key, value: valueLength === DELETED ? undefined : reader.raw(valueLength).slice() };
  });
  return { changes, synced, end: start + length };
}

/** Returns the next valid record after a position that has no valid record. */
export function nextRecord(bytes: Uint8Array, after: number): ({ readonly start: number } & FoundRecord) | undefined {
  for (let start = after + 8; start <= bytes.length - HEADER; start += 8) {
    const record = recordAt(bytes, start);
    if (record !== undefined) return { start, ...record };
  }
  return undefined;
}
