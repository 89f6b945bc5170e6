import type { SnapshotMeta } from '@kontiki/core';
import { encodeSnapshotHead, readSnapshotHead } from '@kontiki/core/wire';
import { readIndex, writeIndex } from './keys.js';
import { seal, unseal } from './sealed.js';

/**
 * Each snapshot that is written gets a number never used before, and so keys of its own: one that says what it is of, and
 * one a chunk, by its offset. What is written anew thus disturbs nobody who reads what was there.
 */
const INFO = 'i'.charCodeAt(0);
const CHUNK = 'c'.charCodeAt(0);

interface Keys {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

export const INFOS: Keys = { gte: Uint8Array.of(INFO), lt: Uint8Array.of(INFO + 1) };
export const CHUNKS: Keys = { gte: Uint8Array.of(CHUNK), lt: Uint8Array.of(CHUNK + 1) };

export function infoKey(number: number): Uint8Array {
  return keyOf(INFO, number);
}

export function chunkKey(number: number, offset: number): Uint8Array {
  return keyOf(CHUNK, number, offset);
}

function keyOf(letter: number, ...numbers: readonly number[]): Uint8Array {
  const key = new Uint8Array(1 + 8 * numbers.length);
  key[0] = letter;
  for (const [i, number] of numbers.entries()) writeIndex(new DataView(key.buffer), 1 + 8 * i, number);
  return key;
}

/** The number in an info key or a chunk's. */
export function numberOf(key: Uint8Array): number {
  return readIndex(key, 1);
}

export function offsetOf(chunk: Uint8Array): number {
  return readIndex(chunk, 9);
}

/** What stands under an info key. */
export interface Info {
  readonly meta: SnapshotMeta;
  /** Of a finished one: how many it has. */
  readonly bytes: number | undefined;
}

/** bytes (8), 0 for one that is not finished, then the head of the snapshot without its compression. */
export function encodeInfo(number: number, { meta, bytes = 0 }: Info): Uint8Array {
  const head = encodeSnapshotHead(meta);
  return seal(infoKey(number), 8 + head.length, (writer) => {
    writer.u53(bytes);
    writer.raw(head);
  });
}

export function decodeInfo(key: Uint8Array, value: Uint8Array, where: string): Info {
  return unseal(key, value, [where, `what says of what snapshot ${numberOf(key)} is`], (reader) => {
    const bytes = reader.u53() || undefined;
    const { id, cluster, last, membership, genesis, version } = readSnapshotHead(reader.raw(reader.left));
    return { meta: { id, cluster, last, membership, genesis, version }, bytes };
  });
}
