import { corruptData } from '@kontiki/core/store';
import type { Namespace } from './namespace.js';
import { chunkKey, offsetOf } from './snapshot-keys.js';

/**
 * Reads the bytes of a snapshot from `offset` to the end of the chunk that contains this offset.
 * Rejects with `KONTIKI_CORRUPT` if there is no such chunk.
 */
export async function readChunk({ db, where }: Namespace, number: number, offset: number): Promise<Uint8Array> {
  const range = { gte: chunkKey(number, 0), lte: chunkKey(number, offset), reverse: true, limit: 1 };
  const [found] = await db.iterator(range).all();
  const begin = found === undefined ? 0 : offset - offsetOf(found[0]);
  const value = found?.[1];
  if (value === undefined || begin >= value.length) {
    throw corruptData(where, `snapshot ${number} has no byte ${offset}`);
  }
  return new Uint8Array(value.buffer, value.byteOffset + begin, value.length - begin);
}

/**
 * Reads up to `length` bytes of a snapshot, starting at `offset`. Returns fewer bytes at the end of
 * the snapshot.
 */
export async function readBytes(
  namespace: Namespace,
  number: number,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const end = await endOf(namespace, number);
  let at = 0;
  while (at < length && offset + at < end) {
    const piece = (await readChunk(namespace, number, offset + at)).subarray(0, length - at);
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes.subarray(0, at);
}

/** Returns the offset at which the last chunk ends, or 0 if there are no chunks. */
export async function endOf({ db }: Namespace, number: number): Promise<number> {
  const range = { gte: chunkKey(number, 0), lt: chunkKey(number + 1, 0), reverse: true, limit: 1 };
  const [last] = await db.iterator(range).all();
  return last === undefined ? 0 : offsetOf(last[0]) + last[1].length;
}

/** Deletes all chunks of a snapshot. */
export function clearChunks({ db }: Namespace, number: number): Promise<void> {
  return db.clear({ gte: chunkKey(number, 0), lt: chunkKey(number + 1, 0) });
}
