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

/** A way to make state smaller. Both directions take and give pieces of any size, and end in an error when their source does. */
export interface SnapshotCompression {
  /** 1 to 255; stands in the head. 1 is gzip, 2 to 127 are kept for Kontiki, 128 to 255 are the application's. */
  readonly kind: number;
  compress(state: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  decompress(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
}

export interface SnapshotEncoding {
  /** Default: none. */
  readonly compression?: SnapshotCompression | undefined;
  /** Bytes of state in a chunk, all but the last. Default and most: `MAX_SNAPSHOT_CHUNK` less 8. */
  readonly chunkBytes?: number | undefined;
}

/** All that can be said of a snapshot without its state. */
export interface SnapshotSummary extends SnapshotInfo, SnapshotHead, SnapshotTrailer {}

/**
 * The bytes of a snapshot of `state`: the head, then as many pieces as it has chunks, each at most `MAX_SNAPSHOT_CHUNK`
 * long, then the trailer. The pieces may be kept; those of `state` are copied. Nothing of `state` is asked for before the
 * piece behind the head is.
 */
export async function* encodeSnapshot(
  meta: SnapshotMeta,
  state: AsyncIterable<Uint8Array>,
  { compression, chunkBytes = MAX_STATE }: SnapshotEncoding = {},
): AsyncGenerator<Uint8Array, void> {
  invariant(
    Number.isInteger(chunkBytes) && chunkBytes >= 1 && chunkBytes <= MAX_STATE,
    () => `chunks of ${chunkBytes} bytes were asked for`,
  );
  const head = encodeSnapshotHead(meta, compression?.kind);
  yield head;
  const counted = new Counted(state);
  const chunks = new Chunks(chunkBytes, crc32(head.subarray(0, -4)));
  for await (const piece of compression?.compress(counted) ?? counted) yield* chunks.add(piece);
  yield* chunks.end(counted.bytes);
}

/** Cuts a stream into chunks of one size. */
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
 * The state in a snapshot, piece by piece, none before its chunk is checked. That all of it came is known when this ends:
 * until then it may still end in `KONTIKI_CORRUPT`, which says what is damaged, and at which offset. `KONTIKI_FORMAT` when a
 * newer version wrote it, `KONTIKI_UNSUPPORTED` when it is compressed in a way that is not among `compressions`.
 */
export async function* decodeSnapshot(
  bytes: AsyncIterable<Uint8Array>,
  compressions: readonly SnapshotCompression[] = [],
): AsyncGenerator<Uint8Array, void> {
  const checker = new SnapshotChecker();
  const chunks = chunksOf(bytes, checker);
  try {
    // The head has come with the first chunk, or with the end.
    const stored = new Counted(resumed(await chunks.next(), chunks));
    const { compression } = checker.head as SnapshotHead;
    const state = new Counted(compression === 0 ? stored : decompressed(stored, compression, compressions));
    yield* state;
    if (!stored.ended) throw corruptSnapshot(checker.whole, 'its compressed state ends before this');
    const { state: bytesOfState, bytes: end } = checker.end();
    if (state.bytes !== bytesOfState) {
      throw corruptSnapshot(end - TRAILER, `it tells of ${bytesOfState} bytes of state, and ${state.bytes} came out`);
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
      `The snapshot is compressed in way ${kind}, which was not handed in to read it.`,
    );
  }
  try {
    yield* compression.decompress(stored);
  } catch (error) {
    if (stored.failed !== undefined) throw stored.failed.error;
    throw corruptSnapshot(0, 'its state cannot be decompressed', error);
  }
}

/** A stream, and what came of it. */
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

/** Reads a whole snapshot and says what it is of; decompresses nothing. Rejects as `decodeSnapshot` does when it is damaged. */
export async function checkSnapshot(bytes: AsyncIterable<Uint8Array>): Promise<SnapshotSummary> {
  const checker = new SnapshotChecker();
  for await (const piece of bytes) checker.write(piece);
  return checker.end();
}

/**
 * What a snapshot is of, told from its ends alone: its first `MAX_SNAPSHOT_HEAD` bytes, its last `SNAPSHOT_TRAILER`, and how
 * many it has. `KONTIKI_CORRUPT` when these cannot be the ends of one; what is between them is not looked at.
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
      `its trailer tells of ${trailer.stored} bytes of state, which ${between} bytes cannot hold`,
    );
  }
  return { ...head, ...trailer, bytes };
}
