import { Reader, Writer } from '@kontiki/core/wire';
import { MAX_KEY, MAX_VALUE } from './command.js';
import { Items, type Item } from './items.js';

/** Bytes after which a piece of the state is given. */
const PIECE = 64 * 1024;
/** Bytes of an item beside its key and its value. */
const HEAD = 14;

/**
 * The state as bytes: of each item its revision (8 bytes), the length of its value (4), the key behind its own (2), the
 * value. In pieces of 64 KiB and what the last item has more; `items` is asked for no more than a piece holds.
 */
export async function* encodeState(items: Iterable<[string, Item]>): AsyncGenerator<Uint8Array, void> {
  let piece: [string, Item][] = [];
  let length = 0;
  for (const item of items) {
    piece.push(item);
    length += lengthOf(item);
    if (length < PIECE) continue;
    yield encode(piece, length);
    piece = [];
    length = 0;
  }
  if (length > 0) yield encode(piece, length);
}

function lengthOf([key, { value }]: [string, Item]): number {
  return HEAD + Buffer.byteLength(key) + value.length;
}

function encode(items: readonly [string, Item][], length: number): Uint8Array {
  const writer = new Writer(length);
  for (const [key, { revision, value }] of items) {
    writer.u53(revision);
    writer.u32(value.length);
    writer.text(key);
    writer.raw(value);
  }
  return writer.bytes;
}

/** Reads what `encodeState` wrote, in pieces of any size. */
export async function decodeState(pieces: AsyncIterable<Uint8Array>): Promise<Items> {
  const items = new Items();
  // The beginning of an item, and how many bytes there must be to go on.
  let begun: Uint8Array[] = [];
  let length = 0;
  let needed = HEAD;
  for await (const piece of pieces) {
    begun.push(piece);
    length += piece.length;
    if (length < needed) continue;
    const bytes = begun.length === 1 ? piece : Buffer.concat(begun);
    const decoded = decodeWhole(bytes, items);
    needed = decoded.needed;
    length = bytes.length - decoded.bytes;
    begun = [bytes.subarray(decoded.bytes)];
  }
  if (length > 0) throw new Error('the state ends in the middle of an item');
  return items;
}

/** Takes the items that are whole. Gives the bytes that they have, and how many the one that follows has, or must have to say so. */
function decodeWhole(bytes: Uint8Array, items: Items): { readonly bytes: number; readonly needed: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; ;) {
    const left = bytes.length - at;
    if (left < HEAD) return { bytes: at, needed: HEAD };
    const length = HEAD + view.getUint16(at + 12, true) + view.getUint32(at + 8, true);
    if (length > HEAD + MAX_KEY + MAX_VALUE) throw new Error(`an item of the state cannot have ${length} bytes`);
    if (left < length) return { bytes: at, needed: length };
    const reader = new Reader(bytes.subarray(at, at + length));
    const revision = reader.u53();
    reader.u32();
    const key = reader.text(MAX_KEY);
    // Copied: a view would keep the whole piece alive.
    items.set(key, { value: reader.raw(reader.left).slice(), revision });
    at += length;
  }
}
