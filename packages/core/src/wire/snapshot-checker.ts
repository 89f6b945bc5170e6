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
 * Behind the head follow chunks: bytes of state in it (4 bytes, 1 to `MAX_STATE`), these, checksum (4). Then the trailer:
 * 0 (4), bytes of all chunks' state (8), bytes of the state before compression (8), checksum (4). Every checksum is that
 * of all bytes before it, the other checksums left out: so a chunk fits only into its own place of its own snapshot.
 */
const LENGTH = 4;
const CHECKSUM = 4;
export const CHUNK_OVERHEAD: number = LENGTH + CHECKSUM;
/** Bytes of the trailer. */
export const TRAILER: number = 24;

/** Bytes of a chunk in all, at most: 252 KiB, so that one fits into a frame of 256 KiB. */
export const MAX_SNAPSHOT_CHUNK: number = 252 * 1024;
/** Bytes of state in a chunk, at most. */
export const MAX_STATE: number = MAX_SNAPSHOT_CHUNK - CHUNK_OVERHEAD;

export interface SnapshotTrailer {
  /** Bytes of state in all chunks, and before they were compressed. */
  readonly stored: number;
  readonly state: number;
}

/** A trailer's fields, its checksum apart. `offset`: where it stands. */
export function readTrailer(bytes: Uint8Array, { compression }: SnapshotHead, offset: number): SnapshotTrailer {
  try {
    const reader = new Reader(bytes);
    const marker = reader.u32();
    const trailer = { stored: reader.u53(), state: reader.u53() };
    if (marker === 0 && (compression !== 0 || trailer.stored === trailer.state)) return trailer;
  } catch (error) {
    throw corruptSnapshot(offset, 'its trailer cannot be read', error);
  }
  throw corruptSnapshot(offset, 'its trailer cannot be read');
}

/**
 * Follows the bytes of a snapshot, in pieces of any size, and checks them as they come: `KONTIKI_CORRUPT` (or
 * `KONTIKI_FORMAT`) at the first part that is wrong, with its offset. Holds at most one part in memory.
 */
export class SnapshotChecker {
  readonly #expected: SnapshotMeta | undefined;
  #head: SnapshotHead | undefined;
  #trailer: SnapshotTrailer | undefined;
  /** The checksum of everything that is checked. */
  #sum = 0;
  #whole = 0;
  #stored = 0;
  /** What has come of a part that is not whole yet, in a buffer of its size as far as that is known. */
  #part: Uint8Array = new Uint8Array(0);
  #filled = 0;

  /** `expected`: what the snapshot must be of; another one is `KONTIKI_CORRUPT`, too. */
  constructor(expected?: SnapshotMeta) {
    this.#expected = expected;
    if (expected !== undefined) encodeSnapshotHead(expected);
  }

  /** Bytes that have come. */
  get offset(): number {
    return this.#whole + this.#filled;
  }

  /** Where the last part ends that is whole and right. */
  get whole(): number {
    return this.#whole;
  }

  /** Once it is whole. */
  get head(): SnapshotHead | undefined {
    return this.#head;
  }

  /** Takes the next bytes, and gives the state in the chunks that they complete: views, or copies where a chunk came in pieces. */
  write(bytes: Uint8Array): Uint8Array[] {
    const state: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      if (this.#trailer !== undefined) throw corruptSnapshot(this.#whole, 'something follows its end');
      const rest = bytes.subarray(at);
      const size = this.#filled === 0 ? this.#sizeOf(rest) : undefined;
      if (size !== undefined && size <= rest.length) {
        this.#take(rest.subarray(0, size), state);
        at += size;
      } else at += this.#collect(rest, state);
    }
    return state;
  }

  /** Forgets the part that is not whole: the next bytes are those at `whole`. */
  rewind(): void {
    this.#part = new Uint8Array(0);
    this.#filled = 0;
  }

  /** Everything has come. `KONTIKI_CORRUPT` when that cannot be. */
  end(): SnapshotInfo & SnapshotTrailer & SnapshotHead {
    const [head, trailer] = [this.#head, this.#trailer];
    if (head === undefined || trailer === undefined)
      throw corruptSnapshot(this.offset, `it ends here, in the part that begins at byte ${this.#whole}`);
    return { ...head, ...trailer, bytes: this.#whole };
  }

  /** Bytes of the part that begins so; undefined as long as that cannot be told. */
  #sizeOf(bytes: Uint8Array): number | undefined {
    if (bytes.length < this.#prefix) return undefined;
    if (this.#head === undefined) return snapshotHeadLength(bytes);
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
    if (length > MAX_STATE) throw corruptSnapshot(this.#whole, `a chunk cannot have ${length} bytes`);
    return length === 0 ? TRAILER : length + CHUNK_OVERHEAD;
  }

  /** Bytes of a part that tell its size. */
  get #prefix(): number {
    return this.#head === undefined ? HEAD_PREFIX : LENGTH;
  }

  /** Copies what belongs to the part that is not whole, and takes that when it is. Gives the number of bytes copied. */
  #collect(bytes: Uint8Array, state: Uint8Array[]): number {
    const size = this.#sizeOf(this.#part.subarray(0, this.#filled));
    if (this.#part.length < (size ?? this.#prefix)) {
      const begun = this.#part;
      this.#part = new Uint8Array(size ?? this.#prefix);
      this.#part.set(begun);
    }
    const piece = bytes.subarray(0, this.#part.length - this.#filled);
    this.#part.set(piece, this.#filled);
    this.#filled += piece.length;
    if (this.#filled === size) {
      const part = this.#part;
      this.rewind();
      this.#take(part, state);
    }
    return piece.length;
  }

  #take(part: Uint8Array, state: Uint8Array[]): void {
    if (this.#head === undefined) {
      this.#head = this.#asExpected(readSnapshotHead(part), part);
      this.#sum = crc32(part.subarray(0, -CHECKSUM));
    } else {
      const sum = crc32(part.subarray(0, -CHECKSUM), this.#sum);
      const view = new DataView(part.buffer, part.byteOffset, part.length);
      if (view.getUint32(part.length - CHECKSUM, true) !== sum) {
        throw corruptSnapshot(this.#whole, 'what begins here does not match its checksum');
      }
      if (view.getUint32(0, true) === 0) this.#trailer = this.#checked(readTrailer(part, this.#head, this.#whole));
      else state.push(part.subarray(LENGTH, -CHECKSUM));
      this.#stored += this.#trailer === undefined ? part.length - CHUNK_OVERHEAD : 0;
      this.#sum = sum;
    }
    this.#whole += part.length;
  }

  #asExpected(head: SnapshotHead, part: Uint8Array): SnapshotHead {
    const expected = this.#expected === undefined ? part : encodeSnapshotHead(this.#expected, head.compression);
    if (expected.length === part.length && expected.every((byte, i) => byte === part[i])) return head;
    throw corruptSnapshot(0, `its head is that of another snapshot, ${head.id} at entry ${head.last.index}`);
  }

  #checked(trailer: SnapshotTrailer): SnapshotTrailer {
    if (trailer.stored === this.#stored) return trailer;
    throw corruptSnapshot(
      this.#whole,
      `its trailer tells of ${trailer.stored} bytes of state, and ${this.#stored} are there`,
    );
  }
}
