import { KontikiError, type Owner } from '@kontiki/core';
import { corruptData, undecodable, type Checkpoint } from '@kontiki/core/store';
import { crc32, Reader, textLength, Writer } from '@kontiki/core/wire';
import type { File } from '@kontiki/files';
import { aligned } from './batch.js';
import { checkpointLength, readCheckpoint, writeCheckpoint } from './record.js';

/**
 * The header of a segment consists of these fields:
 *
 * - checksum of the rest of the header (4 bytes)
 * - length of the header (4)
 * - "KONTIKI" and the format version (8)
 * - salt of the segment's batches (4)
 * - number of the segment (8)
 * - number of its first batch (8)
 * - end of the previous segment (4)
 * - cluster
 * - server
 * - the log's checkpoint when the segment was created
 *
 * The file name also contains the segment's number.
 */
const MAGIC = new TextEncoder().encode('KONTIKI');
const VERSION = 1;
const FIXED = 40;
const MAX_HEADER = 1024 * 1024;

export interface SegmentHeader {
  /**
   * A random number that distinguishes the batches of this segment from other bytes. Without it, a
   * client could propose a command that looks like a batch.
   */
  readonly salt: number;
  readonly sequence: number;
  readonly firstBatch: number;
  /** The offset after the last batch of the previous segment, or 0 in the first segment. */
  readonly previousEnd: number;
  readonly owner: Owner;
  readonly checkpoint: Checkpoint;
}

/** A segment of the log and its open file. */
export interface Segment {
  readonly sequence: number;
  readonly name: string;
  readonly file: File;
  /**
   * A random number that distinguishes the batches of this segment from those of other segments.
   */
  readonly salt: number;
}

const NAME = /^wal-([0-9]{10})$/;

export function segmentName(sequence: number): string {
  return `wal-${`${sequence}`.padStart(10, '0')}`;
}

/**
 * Returns the number in the file name of a segment, or undefined if the name is not that of a
 * segment.
 */
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

/** Reads the header at the beginning of a segment's bytes. `where` names the file in errors. */
export function readHeader(bytes: Uint8Array, where: string): { header: SegmentHeader; length: number } {
  const damaged = (): KontikiError => corruptSegment(where, 0, 'the header is damaged');
  if (bytes.length < FIXED) throw damaged();
  const reader = new Reader(bytes);
  const checksum = reader.u32();
  const length = reader.u32();
  if (!MAGIC.every((byte, i) => byte === reader.raw(1)[0] && i < 7)) throw damaged();
  const version = reader.u8();
  if (version !== VERSION && crc32(bytes.subarray(4, Math.min(length, bytes.length))) === checksum) {
    throw new KontikiError(
      'KONTIKI_FORMAT',
      `${where} has format ${version}, but this version reads format ${VERSION}. Nothing was changed. Use the version that wrote the file.`,
    );
  }
  if (length > MAX_HEADER || length > bytes.length || crc32(bytes.subarray(4, length)) !== checksum) throw damaged();
  try {
    const [salt, sequence, firstBatch, previousEnd] = [reader.u32(), reader.u53(), reader.u53(), reader.u32()];
    const owner = { cluster: reader.text(64), server: reader.text(64) };
    const header = { salt, sequence, firstBatch, previousEnd, owner, checkpoint: readCheckpoint(reader) };
    return { header, length };
  } catch (error) {
    throw undecodable(`${where}, byte 0`, 'the header is damaged', error);
  }
}

/** Returns the error for damage to durable bytes in a segment. */
export function corruptSegment(where: string, offset: number, what: string): KontikiError {
  return corruptData(`${where}, byte ${offset}`, what);
}
