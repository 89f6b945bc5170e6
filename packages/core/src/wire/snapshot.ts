import { KontikiError } from '../errors.js';
import { invariant } from '../invariant.js';
import type { SnapshotInfo, SnapshotMeta } from '../ports/snapshot-store.js';
import { crc32 } from './crc32.js';
import {
  CHUNK_OVERHEAD,
  MAX_STATE,
  readTrailer,
  SnapshotChecker,
  TRAILER,
  type SnapshotTrailer,
} from './snapshot-checker.js';
import { corruptSnapshot, encodeSnapshotHead, readSnapshotHead, type SnapshotHead } from './snapshot-head.js';
import { Writer } from './writer.js';

/**
 * A compression method for snapshots. Both functions accept and return pieces of any size, and
 * throw if their input throws.
 */
export interface SnapshotCompression {
  /**
   * The number of this compression, which is stored in the snapshot's head. The number 1 is gzip, 2
   * to 127 are reserved for Kontiki, and applications may use 128 to 255.
   */
  readonly kind: number;
  compress(state: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  decompress(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
}

export interface SnapshotEncoding {
  /** The compression of the snapshot's state. Default: none. */
  readonly compression?: SnapshotCompression | undefined;
  /**
   * Number of bytes of state per chunk, except for the last chunk. The default, which is also the
   * maximum, is `MAX_SNAPSHOT_CHUNK` minus 8.
   */
  readonly chunkBytes?: number | undefined;
}

/** All fields of a snapshot except for its state. */
export interface SnapshotSummary extends SnapshotInfo, SnapshotHead, SnapshotTrailer {}

/**
 * Encodes a snapshot of `state`. Yields the head, each chunk (at most `MAX_SNAPSHOT_CHUNK` bytes),
 * and the trailer as separate pieces. Callers may keep the pieces, because `state` is copied.
 * Requests the first piece of `state` only after yielding the head.
 */
export async function* encodeSnapshot(
  meta: SnapshotMeta,
  state: AsyncIterable<Uint8Array>,
  { compression, chunkBytes = MAX_STATE }: SnapshotEncoding = {},
): AsyncGenerator<Uint8Array, void> {
  invariant(
    Number.isInteger(chunkBytes) && chunkBytes >= 1 && chunkBytes <= MAX_STATE,
    () => `chunks of ${chunkBytes} bytes were requested`,
  );
  const head = encodeSnapshotHead(meta, compression?.kind);
  yield head;
  const counted = new Counted(state);
  const chunks = new Chunks(chunkBytes, crc32(head.subarray(0, -4)));
  for await (const piece of compression?.compress(counted) ?? counted) yield* chunks.add(piece);
  yield* chunks.end(counted.bytes);
}

/**
 * Checks a snapshot and encodes a copy of it with a different description, without decompressing
 * its state. Like `encodeSnapshot`, yields the head, the chunks and the trailer. If the original
 * snapshot is damaged, throws `KONTIKI_CORRUPT` or `KONTIKI_FORMAT` before it would yield the
 * trailer.
 */
export async function* rewriteSnapshot(
  bytes: AsyncIterable<Uint8Array>,
  metaOf: (head: SnapshotHead) => SnapshotMeta,
): AsyncGenerator<Uint8Array, void> {
  const checker = new SnapshotChecker();
  let chunks: Chunks | undefined;
  for await (const piece of bytes) {
    const states: Uint8Array[] = [];
    checker.write(piece, states);
    if (checker.head === undefined) continue;
    if (chunks === undefined) {
      const head = encodeSnapshotHead(metaOf(checker.head), checker.head.compression);
      yield head;
      chunks = new Chunks(MAX_STATE, crc32(head.subarray(0, -4)));
    }
    for (const state of states) yield* chunks.add(state);
  }
  const { state } = checker.end();
  yield* (chunks as Chunks).end(state);
}

/** Splits a stream of bytes into chunks of the same size. */
class Chunks {
  readonly #size: number;
  #sum: number;
  #chunk: Writer;
  #stored = 0;

  constructor(size: number, sum: number) {
    this.#size = size;
    this.#sum = sum;
    this.#chunk = this.#begin();
  }

  *add(bytes: Uint8Array): Generator<Uint8Array, void> {
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + this.#size - this.#filled);
      this.#chunk.raw(piece);
      at += piece.length;
      if (this.#filled === this.#size) yield this.#seal();
    }
  }

  *end(state: number): Generator<Uint8Array, void> {
    if (this.#filled > 0) yield this.#seal();
    const trailer = new Writer(TRAILER);
    trailer.u32(0);
    trailer.u53(this.#stored);
    trailer.u53(state);
    trailer.u32(crc32(trailer.bytes.subarray(0, trailer.at), this.#sum));
    yield trailer.bytes;
  }

  get #filled(): number {
    return this.#chunk.at - 4;
  }

  #begin(): Writer {
    const chunk = new Writer(this.#size + CHUNK_OVERHEAD);
    chunk.u32(0);
    return chunk;
  }

  #seal(): Uint8Array {
    const chunk = this.#chunk;
    chunk.u32At(0, this.#filled);
    this.#stored += this.#filled;
    this.#sum = crc32(chunk.bytes.subarray(0, chunk.at), this.#sum);
    chunk.u32(this.#sum);
    this.#chunk = this.#begin();
    return chunk.bytes.subarray(0, chunk.at);
  }
}

/**
 * Decodes the state in a snapshot, piece by piece. Yields a piece only after its chunk has been
 * checked. The state is complete only if the generator ends without an error. Throws
 * `KONTIKI_CORRUPT` with the offset of the damage, `KONTIKI_FORMAT` if a newer version wrote the
 * snapshot, and `KONTIKI_UNSUPPORTED` if its compression is not in `compressions`.
 */
export async function* decodeSnapshot(
  bytes: AsyncIterable<Uint8Array>,
  compressions: readonly SnapshotCompression[] = [],
): AsyncGenerator<Uint8Array, void> {
  const checker = new SnapshotChecker();
  const chunks = chunksOf(bytes, checker);
  try {
    // Once the first `next` has resolved, the head is known, even if there are no chunks.
    const stored = new Counted(resumed(await chunks.next(), chunks));
    const { compression } = checker.head as SnapshotHead;
    const state = new Counted(compression === 0 ? stored : decompressed(stored, compression, compressions));
    yield* state;
    if (!stored.ended) throw corruptSnapshot(checker.validEnd, 'bytes follow the end of its compressed state');
    const { state: bytesOfState, bytes: end } = checker.end();
    if (state.bytes !== bytesOfState) {
      throw corruptSnapshot(
        end - TRAILER,
        `its trailer claims ${bytesOfState} bytes of state, but decompression returned ${state.bytes}`,
      );
    }
  } finally {
    await chunks.return();
  }
}

async function* chunksOf(bytes: AsyncIterable<Uint8Array>, checker: SnapshotChecker): AsyncGenerator<Uint8Array, void> {
  for await (const piece of bytes) {
    const state: Uint8Array[] = [];
    checker.write(piece, state);
    yield* state;
  }
  checker.end();
}

async function* resumed<T>(first: IteratorResult<T, void>, rest: AsyncIterable<T>): AsyncGenerator<T, void> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

async function* decompressed(
  stored: Counted,
  kind: number,
  compressions: readonly SnapshotCompression[],
): AsyncGenerator<Uint8Array, void> {
  const compression = compressions.find((one) => one.kind === kind);
  if (compression === undefined) {
    throw new KontikiError(
      'KONTIKI_UNSUPPORTED',
      `The snapshot has compression ${kind}, for which no decompression was passed in.`,
    );
  }
  try {
    yield* compression.decompress(stored);
  } catch (error) {
    if (stored.failed !== undefined) throw stored.failed.error;
    throw corruptSnapshot(0, 'its state cannot be decompressed', error);
  }
}

/** A stream that counts its bytes. */
class Counted implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>;
  bytes = 0;
  ended = false;
  failed: { readonly error: unknown } | undefined;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void> {
    try {
      for await (const piece of this.#source) {
        this.bytes += piece.length;
        yield piece;
      }
      this.ended = true;
    } catch (error) {
      this.failed = { error };
      throw error;
    }
  }
}

/**
 * Checks a complete snapshot without decompressing it, and resolves with its summary. Like
 * `decodeSnapshot`, rejects with `KONTIKI_CORRUPT` or `KONTIKI_FORMAT`.
 */
export async function checkSnapshot(bytes: AsyncIterable<Uint8Array>): Promise<SnapshotSummary> {
  const checker = new SnapshotChecker();
  for await (const piece of bytes) checker.write(piece);
  return checker.end();
}

/**
 * Returns the summary of a snapshot without reading all of its bytes. `start` contains its first
 * `MAX_SNAPSHOT_HEAD` bytes, `end` its last `SNAPSHOT_TRAILER` bytes, and `bytes` is its size.
 * Throws `KONTIKI_CORRUPT` if these values do not belong to the same snapshot. Does not check the
 * bytes in between.
 */
export function summarizeSnapshot(start: Uint8Array, end: Uint8Array, bytes: number): SnapshotSummary {
  const head = readSnapshotHead(start);
  const at = bytes - TRAILER;
  const trailer = readTrailer(end, head, at);
  const between = at - head.length;
  const chunks = (between - trailer.stored) / CHUNK_OVERHEAD;
  if (!Number.isInteger(chunks) || chunks < trailer.stored / MAX_STATE || chunks > trailer.stored) {
    throw corruptSnapshot(
      at,
      `its trailer claims ${trailer.stored} bytes of state, which ${between} bytes cannot hold`,
    );
  }
  return { ...head, ...trailer, bytes };
}
