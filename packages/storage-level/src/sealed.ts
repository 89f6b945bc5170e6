import { isKontikiError } from '@kontiki/core';
import { crc32, Reader, Writer } from '@kontiki/core/wire';
import { corrupt } from './failure.js';

const CHECKSUM = 4;

/** A value as it stands in the database: the checksum of its key and all that follows (4 bytes), then `length` bytes. */
export function seal(key: Uint8Array, length: number, write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer(CHECKSUM + length);
  writer.u32(0);
  write(writer);
  writer.u32At(0, sumOf(key, writer.bytes));
  return writer.bytes;
}

/** Reads a value that was sealed under this key. `what` it is, and `where`, are for people. */
export function unseal<T>(
  key: Uint8Array,
  value: Uint8Array | undefined,
  [where, what]: readonly [where: string, what: string],
  read: (reader: Reader) => T,
): T {
  if (value === undefined) throw corrupt(where, `${what} is missing`);
  if (value.length < CHECKSUM || checksumOf(value) !== sumOf(key, value)) {
    throw corrupt(where, `${what} does not match its checksum`);
  }
  try {
    const reader = new Reader(value.subarray(CHECKSUM));
    const content = read(reader);
    reader.end();
    return content;
  } catch (error) {
    // What cannot be decoded is damaged; anything else was found by whoever reads.
    if (isKontikiError(error) && error.code !== 'KONTIKI_PROTOCOL') throw error;
    throw corrupt(where, `${what} cannot be read`, error);
  }
}

/** The checksum that a value begins with. */
export function checksumOf(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset).getUint32(0, true);
}

/** The key counts, so that a value fits into its own place only. */
function sumOf(key: Uint8Array, value: Uint8Array): number {
  return crc32(value.subarray(CHECKSUM), crc32(key));
}
