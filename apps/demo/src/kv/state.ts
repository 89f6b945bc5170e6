import { protocolError, Reader, Writer } from '@kontiki/core/wire';
import { Items, type Item } from './items.js';
import { MAX_KEY, MAX_VALUE } from './write.js';

/** Minimum length of every chunk but the last, in bytes. */
const CHUNK = 64 * 1024;
/** The version of the encoding that `encodeState` writes. */
export const STATE_VERSION = 1;
/**
 * Length in bytes of an encoded item without its key and value, in versions 0 and 1 of the
 * encoding.
 */
const HEADERS = [14, 22] as const;
const HEADER = HEADERS[STATE_VERSION];

/**
 * Encodes the state. An item consists of its revision (8 bytes), expiry (8), length of the value
 * (4), length of the key (2), key, and value. The expiry is a log time, or 0 for a permanent item.
 * A chunk ends after the item that makes it 64 KiB or longer. Items are requested lazily, one
 * chunk at a time.
 */
export async function* encodeState(items: Iterable<[string, Item]>): AsyncGenerator<Uint8Array, void> {
  let chunk: [string, Item][] = [];
  let length = 0;
  for (const item of items) {
    chunk.push(item);
    length += lengthOf(item);
    if (length < CHUNK) continue;
    yield encode(chunk, length);
    chunk = [];
    length = 0;
  }
  if (length > 0) yield encode(chunk, length);
}

function lengthOf([key, { value }]: [string, Item]): number {
  return HEADER + Buffer.byteLength(key) + value.length;
}

function encode(items: readonly [string, Item][], length: number): Uint8Array {
  const writer = new Writer(length);
  for (const [key, { expiry, revision, value }] of items) {
    writer.u53(revision);
    writer.u53(expiry ?? 0);
    writer.u32(value.length);
    writer.text(key);
    writer.raw(value);
  }
  return writer.bytes;
}

/**
 * Decodes the output of `encodeState`, which may arrive in chunks of any size. In version 0 of the
 * encoding, items do not expire.
 */
export async function decodeState(chunks: AsyncIterable<Uint8Array>, version: number): Promise<Items> {
  const items = new Items();
  const header = HEADERS[version === 0 ? 0 : 1];
  // The bytes that are not decoded yet, their length, and the length needed to continue decoding.
  let pending: Uint8Array[] = [];
  let length = 0;
  let needed: number = header;
  for await (const chunk of chunks) {
    pending.push(chunk);
    length += chunk.length;
    if (length < needed) continue;
    const bytes = pending.length === 1 ? chunk : Buffer.concat(pending);
    const decoded = decodeComplete(bytes, items, header);
    needed = decoded.needed;
    length = bytes.length - decoded.bytes;
    pending = [bytes.subarray(decoded.bytes)];
  }
  if (length > 0) throw protocolError('The state in a snapshot ends in the middle of an item.');
  return items;
}

/**
 * Adds all complete items in `bytes` to `items`. Returns the number of decoded bytes, and the
 * number of bytes needed to continue. That is the length of the next item, or of its header if the
 * header is incomplete.
 */
function decodeComplete(
  bytes: Uint8Array,
  items: Items,
  header: (typeof HEADERS)[number],
): { readonly bytes: number; readonly needed: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; ;) {
    const left = bytes.length - at;
    if (left < header) return { bytes: at, needed: header };
    const [valueLength, keyLength] = [view.getUint32(at + header - 6, true), view.getUint16(at + header - 2, true)];
    const length = header + keyLength + valueLength;
    if (length > header + MAX_KEY + MAX_VALUE)
      throw protocolError(`The state in a snapshot has an item of ${length} bytes, which is too long.`);
    if (left < length) return { bytes: at, needed: length };
    const reader = new Reader(bytes.subarray(at, at + length));
    const revision = reader.u53();
    const expiry = header === HEADER ? reader.u53() : 0;
    reader.u32();
    const key = reader.text(MAX_KEY);
    // Copy the value, because a view would keep the whole chunk in memory.
    items.set(key, { value: reader.raw(reader.left).slice(), revision, expiry: expiry || undefined });
    at += length;
  }
}
