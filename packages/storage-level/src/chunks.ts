import { corrupt } from './failure.js';
import { chunkKey, offsetOf } from './snapshot-keys.js';
import type { Room } from './room.js';

/** The bytes of a snapshot from `offset` on, as far as its chunk goes. `KONTIKI_CORRUPT` when there are none. */
export async function chunkFrom({ db, where }: Room, number: number, offset: number): Promise<Uint8Array> {
  const range = { gte: chunkKey(number, 0), lte: chunkKey(number, offset), reverse: true, limit: 1 };
  const [found] = await db.iterator(range).all();
  const begin = found === undefined ? 0 : offset - offsetOf(found[0]);
  const value = found?.[1];
  if (value === undefined || begin >= value.length) throw corrupt(where, `snapshot ${number} ends at byte ${offset}`);
  return new Uint8Array(value.buffer, value.byteOffset + begin, value.length - begin);
}

/** `length` bytes, or as many as there are. */
export async function bytesAt(room: Room, number: number, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const end = await endOf(room, number);
  let at = 0;
  while (at < length && offset + at < end) {
    const piece = (await chunkFrom(room, number, offset + at)).subarray(0, length - at);
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes.subarray(0, at);
}

/** Where the last chunk ends; 0 when there is none. */
export async function endOf({ db }: Room, number: number): Promise<number> {
  const range = { gte: chunkKey(number, 0), lt: chunkKey(number + 1, 0), reverse: true, limit: 1 };
  const [last] = await db.iterator(range).all();
  return last === undefined ? 0 : offsetOf(last[0]) + last[1].length;
}

/** Deletes all chunks of a number. */
export function clearChunks({ db }: Room, number: number): Promise<void> {
  return db.clear({ gte: chunkKey(number, 0), lt: chunkKey(number + 1, 0) });
}
