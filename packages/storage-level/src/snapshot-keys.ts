import type { SnapshotMeta } from '@kontiki/core';
import { encodeSnapshotHead, metaOf, readSnapshotHead } from '@kontiki/core/wire';
import { readIndex, writeIndex } from './keys.js';
import { seal, unseal } from './seal.js';

/**
 * Every snapshot gets a new number, which is part of its keys. So rewriting a snapshot does not
 * disturb readers of the old one. A snapshot has an info key for its metadata, and one key per
 * chunk, which contains the chunk's offset.
 */
const INFO = 'i'.charCodeAt(0);
const CHUNK = 'c'.charCodeAt(0);

interface KeyRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
}

export const INFOS: KeyRange = { gte: Uint8Array.of(INFO), lt: Uint8Array.of(INFO + 1) };
export const CHUNKS: KeyRange = { gte: Uint8Array.of(CHUNK), lt: Uint8Array.of(CHUNK + 1) };

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

/** Returns the number of the snapshot in an info key or a chunk key. */
export function numberOf(key: Uint8Array): number {
  return readIndex(key, 1);
}

/** Returns the offset in a chunk key. */
export function offsetOf(key: Uint8Array): number {
  return readIndex(key, 9);
}

/** The value of an info key. */
export interface Info {
  readonly meta: SnapshotMeta;
  /** The size of the snapshot in bytes; undefined if it is unfinished. */
  readonly bytes: number | undefined;
}

/**
 * Encodes the value of an info key: the size (8 bytes, 0 for an unfinished snapshot), then the head
 * of the snapshot, which records no compression.
 */
export function encodeInfo(number: number, { meta, bytes = 0 }: Info): Uint8Array {
  const head = encodeSnapshotHead(meta);
  return seal(infoKey(number), 8 + head.length, (writer) => {
    writer.u53(bytes);
    writer.raw(head);
  });
}

export function decodeInfo(key: Uint8Array, value: Uint8Array, where: string): Info {
  return unseal(key, value, [where, `the info of snapshot ${numberOf(key)}`], (reader) => {
    const bytes = reader.u53() || undefined;
    return { meta: metaOf(readSnapshotHead(reader.raw(reader.left))), bytes };
  });
}
