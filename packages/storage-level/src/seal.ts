import { isKontikiError } from '@kontiki/core';
import { corruptData, undecodable } from '@kontiki/core/store';
import { crc32, Reader, Writer } from '@kontiki/core/wire';

const CHECKSUM = 4;

/**
 * Encodes a database value: a checksum of the key and the content (4 bytes), then `length` bytes of
 * content.
 */
export function seal(key: Uint8Array, length: number, write: (writer: Writer) => void): Uint8Array {
  const writer = new Writer(CHECKSUM + length);
  writer.u32(0);
  write(writer);
  writer.u32At(0, checksumWith(key, writer.bytes));
  return writer.bytes;
}

/**
 * Decodes a value that was sealed with this key. Throws `KONTIKI_CORRUPT` if the value is missing
 * or damaged, and `KONTIKI_FORMAT` if only a newer version can read it. In error messages, `where`
 * is the location and `what` names the value.
 */
export function unseal<T>(
  key: Uint8Array,
  value: Uint8Array | undefined,
  [where, what]: readonly [where: string, what: string],
  read: (reader: Reader) => T,
): T {
  if (value === undefined) throw corruptData(where, `${what} is missing`);
  if (value.length < CHECKSUM || checksumOf(value) !== checksumWith(key, value)) {
    throw corruptData(where, `${what} does not match its checksum`);
  }
  try {
    const reader = new Reader(value.subarray(CHECKSUM));
    const content = read(reader);
    reader.end();
    return content;
  } catch (error) {
    // `KONTIKI_PROTOCOL` and `KONTIKI_FORMAT` mean that `read` cannot decode the content. Any other
    // Kontiki error from `read` already describes the failure.
    const known = isKontikiError(error) && error.code !== 'KONTIKI_PROTOCOL' && error.code !== 'KONTIKI_FORMAT';
    throw known ? error : undecodable(where, `${what} cannot be read`, error);
  }
}

/** Returns the checksum at the beginning of a sealed value. */
export function checksumOf(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset).getUint32(0, true);
}

/**
 * Computes the checksum of a value. The checksum also covers the key, so that a value stored under
 * the wrong key is detected.
 */
function checksumWith(key: Uint8Array, value: Uint8Array): number {
  return crc32(value.subarray(CHECKSUM), crc32(key));
}
