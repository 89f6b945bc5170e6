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

const NOTHING = new Uint8Array(0);

/** What is collected now: a chunk's length, its state and its checksum come one after the other. */
type Stage = 'prefix' | 'head' | 'length' | 'state' | 'checksum' | 'trailer';

/**
 * Follows the bytes of a snapshot, in pieces of any size, and checks them as they come: `KONTIKI_CORRUPT` (or
 * `KONTIKI_FORMAT`) at the first part that is wrong, with its offset. Copies no state, and keeps at most a chunk of it.
 */
export class SnapshotChecker {
  readonly #expected: SnapshotMeta | undefined;
  #head: SnapshotHead | undefined;
  #trailer: SnapshotTrailer | undefined;
  #offset = 0;
  /** Up to the last part that is whole and right: where it ends, the checksum there, bytes of state. */
  #whole = 0;
  #sum = 0;
  #stored = 0;
  /** Of the part that has begun: what is collected of it, and then the state in it, with the checksum so far. */
  #stage: Stage = 'prefix';
  #field: Uint8Array = new Uint8Array(HEAD_PREFIX);
  #filled = 0;
  #state: Uint8Array[] = [];
  #missing = 0;
  #running = 0;

  /** `expected`: what the snapshot must be of; another one is `KONTIKI_CORRUPT`, too. */
  constructor(expected?: SnapshotMeta) {
    this.#expected = expected;
    if (expected !== undefined) encodeSnapshotHead(expected);
  }

  /** Bytes that have come. */
  get offset(): number {
    return this.#offset;
  }

  /** Where the last part ends that is whole and right. */
  get whole(): number {
    return this.#whole;
  }

  /** Once it is whole. */
  get head(): SnapshotHead | undefined {
    return this.#head;
  }

  /** Takes the next bytes. `given` is given the state in the chunks that they complete: views of what was written, now or before. */
  write(bytes: Uint8Array, given?: Uint8Array[]): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#trailer !== undefined) throw corruptSnapshot(this.#whole, 'something follows its end');
      const rest = new Uint8Array(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
      const taken = this.#stage === 'state' ? this.#takeState(rest, given !== undefined) : this.#collect(rest);
      at += taken;
      this.#offset += taken;
      if (this.#stage !== 'state' && this.#filled === this.#field.length) this.#advance(this.#field, given);
    }
  }

  /** Everything has come. `KONTIKI_CORRUPT` when that cannot be. */
  end(): SnapshotInfo & SnapshotTrailer & SnapshotHead {
    const [head, trailer] = [this.#head, this.#trailer];
    if (head === undefined || trailer === undefined) {
      throw corruptSnapshot(this.offset, `it ends here, in the part that begins at byte ${this.#whole}`);
    }
    return { ...head, ...trailer, bytes: this.#whole };
  }

  #expect(stage: Stage, length: number, begun: Uint8Array = NOTHING): void {
    this.#stage = stage;
    this.#field = new Uint8Array(length);
    this.#field.set(begun);
    this.#filled = begun.length;
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

  /** What was to be collected has been. */
  #advance(field: Uint8Array, given: Uint8Array[] | undefined): void {
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
        this.#stored += this.#offset - this.#whole - CHUNK_OVERHEAD;
        given?.push(...this.#state);
        this.#state = [];
        return this.#endPart(this.#running);
      case 'trailer': {
        const sum = crc32(field.subarray(0, -CHECKSUM), this.#sum);
        this.#compare(field, sum);
        this.#trailer = this.#checked(readTrailer(field, this.#head as SnapshotHead, this.#whole));
        return this.#endPart(sum);
      }
      case 'state':
    }
  }

  #beginChunk(length: number, field: Uint8Array): void {
    if (length === 0) return this.#expect('trailer', TRAILER, field);
    if (length > MAX_STATE) throw corruptSnapshot(this.#whole, `a chunk cannot have ${length} bytes`);
    this.#stage = 'state';
    this.#missing = length;
    this.#running = crc32(field, this.#sum);
  }

  #endPart(sum: number): void {
    this.#sum = sum;
    this.#whole = this.#offset;
    this.#expect('length', LENGTH);
  }

  #compare(field: Uint8Array, sum: number): void {
    if (u32(field, field.length - CHECKSUM) === sum) return;
    throw corruptSnapshot(this.#whole, 'what begins here does not match its checksum');
  }

  #asExpected(head: SnapshotHead, bytes: Uint8Array): SnapshotHead {
    const expected = this.#expected === undefined ? bytes : encodeSnapshotHead(this.#expected, head.compression);
    if (expected.length === bytes.length && expected.every((byte, i) => byte === bytes[i])) return head;
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

function u32(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
}
