import { KontikiError, type Owner } from '@kontiki/core';
import type { Checkpoint } from '@kontiki/core/store';
import { crc32, Reader, textLength, Writer } from '@kontiki/core/wire';
import type { File } from '@kontiki/files';
import { aligned } from './batch.js';
import { checkpointLength, readCheckpoint, writeCheckpoint } from './record.js';

/**
 * The beginning of a segment: checksum of all that follows (4 bytes), bytes of the header (4), "KONTIKI" and the
 * version (8), the salt of its batches (4), the segment's number (8), the number of its first batch (8), where the segment before it ends (4),
 * cluster, server, and the log's state when it was begun. Segments are named by their number.
 */
const MAGIC = new TextEncoder().encode('KONTIKI');
const VERSION = 1;
const FIXED = 40;
const MAX_HEADER = 1024 * 1024;

export interface SegmentHeader {
  /** Drawn at random, so that nobody can put bytes into a command that look like one of its batches. */
  readonly salt: number;
  readonly sequence: number;
  readonly firstBatch: number;
  /** The end of the last batch of the segment before; 0 for the first one. */
  readonly previousEnd: number;
  readonly owner: Owner;
  readonly checkpoint: Checkpoint;
}

/** A segment of the log and its open file. */
export interface Segment {
  readonly sequence: number;
  readonly name: string;
  readonly file: File;
  /** Distinguishes its batches from those of any other segment. */
  readonly salt: number;
}

const NAME = /^wal-([0-9]{10})$/;

export function segmentName(sequence: number): string {
  return `wal-${`${sequence}`.padStart(10, '0')}`;
}

/** The number in a segment's name; undefined for any other file. */
export function sequenceOf(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export function encodeHeader({
  salt,
  sequence,
  firstBatch,
  previousEnd,
  owner,
  checkpoint,
}: SegmentHeader): Uint8Array {
  const length = FIXED + textLength(owner.cluster) + textLength(owner.server) + checkpointLength(checkpoint);
  const writer = new Writer(aligned(length));
  writer.u32(0);
  writer.u32(writer.bytes.length);
  writer.raw(MAGIC);
  writer.u8(VERSION);
  writer.u32(salt);
  writer.u53(sequence);
  writer.u53(firstBatch);
  writer.u32(previousEnd);
  writer.text(owner.cluster);
  writer.text(owner.server);
  writeCheckpoint(writer, checkpoint);
  writer.u32At(0, crc32(writer.bytes.subarray(4)));
  return writer.bytes;
}

/** The header at the beginning of `bytes`, and its length. `where`: the file, for people. */
export function readHeader(bytes: Uint8Array, where: string): { header: SegmentHeader; length: number } {
  const damaged = (cause?: unknown): KontikiError => corrupt(where, 0, 'the header of a segment is damaged', cause);
  if (bytes.length < FIXED) throw damaged();
  const reader = new Reader(bytes);
  const checksum = reader.u32();
  const length = reader.u32();
  if (!MAGIC.every((byte, i) => byte === reader.raw(1)[0] && i < 7)) throw damaged();
  const version = reader.u8();
  if (version !== VERSION && crc32(bytes.subarray(4, Math.min(length, bytes.length))) === checksum) {
    throw new KontikiError(
      'KONTIKI_FORMAT',
      `${where} is of format ${version}; this version reads format ${VERSION}. Use the version that wrote it.`,
    );
  }
  if (length > MAX_HEADER || length > bytes.length || crc32(bytes.subarray(4, length)) !== checksum) throw damaged();
  try {
    const [salt, sequence, firstBatch, previousEnd] = [reader.u32(), reader.u53(), reader.u53(), reader.u32()];
    const owner = { cluster: reader.text(64), server: reader.text(64) };
    const header = { salt, sequence, firstBatch, previousEnd, owner, checkpoint: readCheckpoint(reader) };
    return { header, length };
  } catch (error) {
    throw damaged(error);
  }
}

/** Damage below what was once synced: nothing that this server could mend by itself. */
export function corrupt(where: string, offset: number, what: string, cause?: unknown): KontikiError {
  return new KontikiError(
    'KONTIKI_CORRUPT',
    `${where}, byte ${offset}: ${what}. It was durable once, so acknowledged entries may be lost. Keep the folder, restore it from a copy if there is one, or remove this server from the cluster and add a new id.`,
    { cause },
  );
}
