import type { SnapshotInfo, SnapshotMeta } from '../ports/snapshot-store.js';
import { crc32 } from './crc32.js';
import { Reader } from './reader.js';
import {
  corruptSnapshot,
  encodeSnapshotHead,
  HEAD_PREFIX,
  readSnapshotHead,
  snapshotHeadLength,
  type SnapshotHead,
} from './snapshot-head.js';

/**
 * The format of a snapshot after its head: chunks, and then a trailer. Their fields, with their
 * sizes in bytes, are
 * - in a chunk: the length of its state (4, 1 to `MAX_STATE`), the state, and a checksum (4),
 * - in the trailer: 0 (4), the bytes of state in all chunks (8), the bytes of the state before
 *   compression (8), and a checksum (4).
 *
 * Every checksum covers all preceding bytes except for other checksums. So a chunk is valid only at
 * its original position in its original snapshot.
 */
const LENGTH = 4;
const CHECKSUM = 4;
export const CHUNK_OVERHEAD: number = LENGTH + CHECKSUM;
/** Size of the trailer of a snapshot in bytes. */
export const TRAILER: number = 24;

/** Maximum size of a chunk: 252 KiB, so that a chunk fits into a frame of 256 KiB. */
export const MAX_SNAPSHOT_CHUNK: number = 252 * 1024;
/** Maximum number of bytes of state in a chunk. */
export const MAX_STATE: number = MAX_SNAPSHOT_CHUNK - CHUNK_OVERHEAD;

export interface SnapshotTrailer {
  /** Total size in bytes of the state in all chunks of the snapshot. */
  readonly stored: number;
  /** Size of the state before compression, in bytes. */
  readonly state: number;
}

/**
 * Reads a trailer without verifying its checksum. `offset` is the trailer's position in the
 * snapshot.
 */
export function readTrailer(bytes: Uint8Array, { compression }: SnapshotHead, offset: number): SnapshotTrailer {
  try {
    const reader = new Reader(bytes);
    const marker = reader.u32();
    const trailer = { stored: reader.u53(), state: reader.u53() };
    if (marker === 0 && (compression !== 0 || trailer.stored === trailer.state)) return trailer;
  } catch (error) {
    throw corruptSnapshot(offset, 'its trailer cannot be decoded', error);
  }
  throw corruptSnapshot(offset, 'its trailer cannot be decoded');
}

const NOTHING = new Uint8Array(0);

/**
 * The kinds of parts of a snapshot. A chunk consists of the parts `length`, `state` and `checksum`.
 */
type Stage = 'prefix' | 'head' | 'length' | 'state' | 'checksum' | 'trailer';

/**
 * Checks the bytes of a snapshot as they arrive, in pieces of any size. Throws `KONTIKI_CORRUPT` or
 * `KONTIKI_FORMAT` at the first invalid part, with its offset. Does not copy state, and holds at
 * most one chunk of state in memory. Readers and all stores use this class, so every finished
 * snapshot is readable.
 */
export class SnapshotChecker {
  readonly #expected: SnapshotMeta | undefined;
  #head: SnapshotHead | undefined;
  #trailer: SnapshotTrailer | undefined;
  #offset = 0;
  /**
   * The offset at which the last valid part ends. `#sum` is the checksum up to this offset, and
   * `#stored` the number of bytes of state before it.
   */
  #validEnd = 0;
  #sum = 0;
  #stored = 0;
  /**
   * The part of the snapshot that is being read. The fields below hold its bytes so far and, for a
   * chunk, its state, the number of missing bytes, and the checksum so far.
   */
  #stage: Stage = 'prefix';
  #field: Uint8Array = new Uint8Array(HEAD_PREFIX);
  #filled = 0;
  #state: Uint8Array[] = [];
  #missing = 0;
  #running = 0;

  /**
   * Creates a checker for one snapshot. If `expected` is set, the checker also throws
   * `KONTIKI_CORRUPT` if the snapshot's description differs from it.
   */
  constructor(expected?: SnapshotMeta) {
    this.#expected = expected;
    if (expected !== undefined) encodeSnapshotHead(expected);
  }

  /** Number of bytes checked so far. */
  get offset(): number {
    return this.#offset;
  }

  /** The offset at which the last valid part ends. */
  get validEnd(): number {
    return this.#validEnd;
  }

  /** The snapshot's head; undefined until the head is complete. */
  get head(): SnapshotHead | undefined {
    return this.#head;
  }

  /**
   * Checks the next bytes of the snapshot. Appends the state of each completed chunk to `states`,
   * as views of the checked bytes.
   */
  write(bytes: Uint8Array, states?: Uint8Array[]): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#trailer !== undefined) throw corruptSnapshot(this.#validEnd, 'bytes follow its end');
      const rest = new Uint8Array(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
      const taken = this.#stage === 'state' ? this.#takeState(rest, states !== undefined) : this.#collect(rest);
      at += taken;
      this.#offset += taken;
      if (this.#stage !== 'state' && this.#filled === this.#field.length) this.#advance(this.#field, states);
    }
  }

  /**
   * Returns the summary of the snapshot. Throws `KONTIKI_CORRUPT` if the snapshot is incomplete.
   */
  end(): SnapshotInfo & SnapshotTrailer & SnapshotHead {
    const [head, trailer] = [this.#head, this.#trailer];
    if (head === undefined || trailer === undefined) {
      throw corruptSnapshot(this.offset, `it ends here, within the part that starts at byte ${this.#validEnd}`);
    }
    return { ...head, ...trailer, bytes: this.#validEnd };
  }

  #expect(stage: Stage, length: number, started: Uint8Array = NOTHING): void {
    this.#stage = stage;
    this.#field = new Uint8Array(length);
    this.#field.set(started);
    this.#filled = started.length;
  }

  #collect(bytes: Uint8Array): number {
    const piece = bytes.subarray(0, this.#field.length - this.#filled);
    this.#field.set(piece, this.#filled);
    this.#filled += piece.length;
    return piece.length;
  }

  #takeState(bytes: Uint8Array, keep: boolean): number {
    const piece = bytes.subarray(0, this.#missing);
    if (keep) this.#state.push(piece);
    this.#running = crc32(piece, this.#running);
    this.#missing -= piece.length;
    if (this.#missing === 0) this.#expect('checksum', CHECKSUM);
    return piece.length;
  }

  /** Processes the current part, which is complete, and starts the next one. */
  #advance(field: Uint8Array, states: Uint8Array[] | undefined): void {
    switch (this.#stage) {
      case 'prefix':
        return this.#expect('head', snapshotHeadLength(field), field);
      case 'head':
        this.#head = this.#asExpected(readSnapshotHead(field), field);
        return this.#endPart(crc32(field.subarray(0, -CHECKSUM)));
      case 'length':
        return this.#beginChunk(u32(field, 0), field);
      case 'checksum':
        this.#compare(field, this.#running);
        this.#stored += this.#offset - this.#validEnd - CHUNK_OVERHEAD;
        states?.push(...this.#state);
        this.#state = [];
        return this.#endPart(this.#running);
      case 'trailer': {
        const sum = crc32(field.subarray(0, -CHECKSUM), this.#sum);
        this.#compare(field, sum);
        this.#trailer = this.#checked(readTrailer(field, this.#head as SnapshotHead, this.#validEnd));
        return this.#endPart(sum);
      }
      case 'state':
    }
  }

  #beginChunk(length: number, field: Uint8Array): void {
    if (length === 0) return this.#expect('trailer', TRAILER, field);
    if (length > MAX_STATE) throw corruptSnapshot(this.#validEnd, `a chunk cannot have ${length} bytes`);
    this.#stage = 'state';
    this.#missing = length;
    this.#running = crc32(field, this.#sum);
  }

  #endPart(sum: number): void {
    this.#sum = sum;
    this.#validEnd = this.#offset;
    this.#expect('length', LENGTH);
  }

  #compare(field: Uint8Array, sum: number): void {
    if (u32(field, field.length - CHECKSUM) === sum) return;
    throw corruptSnapshot(this.#validEnd, 'the part that starts here does not match its checksum');
  }

  #asExpected(head: SnapshotHead, bytes: Uint8Array): SnapshotHead {
    const expected = this.#expected === undefined ? bytes : encodeSnapshotHead(this.#expected, head.compression);
    if (expected.length === bytes.length && expected.every((byte, i) => byte === bytes[i])) return head;
    throw corruptSnapshot(0, `its head belongs to another snapshot, ${head.id} of entry ${head.last.index}`);
  }

  #checked(trailer: SnapshotTrailer): SnapshotTrailer {
    if (trailer.stored === this.#stored) return trailer;
    throw corruptSnapshot(
      this.#validEnd,
      `its trailer claims ${trailer.stored} bytes of state, but there are ${this.#stored}`,
    );
  }
}

function u32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}
