import { crc32, Reader, Writer } from '@kontiki/core/wire';

/** One change of a database: `value` undefined deletes the key. */
export interface Change {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

/**
 * A batch as it stands in a file, at a multiple of 8: checksum of all that follows (4 bytes), length of the record (4),
 * bytes of the file that were synced before it was written (8), count of changes (4), then each: key and value behind their
 * lengths (4), a length of 2^32 - 1 for a key that is deleted.
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

export interface FoundRecord {
  readonly changes: readonly Change[];
  readonly synced: number;
  readonly end: number;
}

/** The record that begins there; undefined when no whole one does. */
export function recordAt(bytes: Uint8Array, begin: number): FoundRecord | undefined {
  if (bytes.length - begin < HEADER) return undefined;
  const reader = new Reader(bytes.subarray(begin));
  const checksum = reader.u32();
  const length = reader.u32();
  if (length < HEADER || length > bytes.length - begin) return undefined;
  if (crc32(bytes.subarray(begin + 4, begin + length)) !== checksum) return undefined;
  const synced = reader.u53();
  const changes = Array.from({ length: reader.u32() }, () => {
    const [keyLength, valueLength] = [reader.u32(), reader.u32()];
    const key = reader.raw(keyLength).slice();
    return { key, value: valueLength === DELETED ? undefined : reader.raw(valueLength).slice() };
  });
  return { changes, synced, end: begin + length };
}

/** The next whole record behind a place where none begins. */
export function nextRecord(bytes: Uint8Array, after: number): ({ readonly begin: number } & FoundRecord) | undefined {
  for (let begin = after + 8; begin <= bytes.length - HEADER; begin += 8) {
    const record = recordAt(bytes, begin);
    if (record !== undefined) return { begin, ...record };
  }
  return undefined;
}
