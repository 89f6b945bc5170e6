import type { LogRecord } from '@kontiki/core/store';
import { crc32, Reader, Writer } from '@kontiki/core/wire';
import { readRecord, recordLength, writeRecord } from './record.js';

/**
 * A batch contains the records that one sync makes durable. A batch in a segment consists of these
 * fields:
 *
 * - checksum of all following fields (4 bytes)
 * - the segment's salt (4)
 * - length of the records (4)
 * - zeros (4)
 * - number of the batch (8)
 * - the records
 * - zeros up to a multiple of 8
 *
 * A batch without records is an idle mark. It proves that all bytes before it were synced, and the
 * next batch overwrites it.
 */
export const BATCH_HEADER = 24;

/** Returns the next offset at which a batch may begin. */
export function aligned(offset: number): number {
  return (offset + 7) & ~7;
}

export function batchLength(records: readonly LogRecord[]): number {
  let length = BATCH_HEADER;
  for (const record of records) length += recordLength(record);
  return aligned(length);
}

export function encodeBatch(number: number, salt: number, records: readonly LogRecord[]): Uint8Array {
  const writer = new Writer(batchLength(records));
  writer.u32(0);
  writer.u32(salt);
  writer.u32(0);
  writer.u32(0);
  writer.u53(number);
  for (const record of records) writeRecord(writer, record);
  writer.u32At(8, writer.at - BATCH_HEADER);
  writer.u32At(0, crc32(writer.bytes.subarray(4)));
  return writer.bytes;
}

/** A complete batch found in a segment. */
export interface Batch {
  readonly number: number;
  /** The offset of the batch's first byte, and the offset after its last byte. */
  readonly begin: number;
  readonly end: number;
  /** The encoded records of the batch. */
  readonly body: Uint8Array;
}

/**
 * Returns the batch at `begin`, or undefined if there is no complete batch of this segment at that
 * offset. Checks the length in the header before using it, and verifies the checksum.
 */
export function batchAt(bytes: Uint8Array, begin: number, salt: number): Batch | undefined {
  if (bytes.length - begin < BATCH_HEADER) return undefined;
  // Make this cheap check first, because a search through a segment tries two million offsets.
  if (bytes[begin + 4] !== (salt & 0xff)) return undefined;
  const reader = new Reader(bytes.subarray(begin));
  const checksum = reader.u32();
  if (reader.u32() !== salt) return undefined;
  const length = reader.u32();
  const end = begin + aligned(BATCH_HEADER + length);
  if (length > bytes.length || end > bytes.length || reader.u32() !== 0) return undefined;
  if (crc32(bytes.subarray(begin + 4, end)) !== checksum) return undefined;
  return { number: reader.u53(), begin, end, body: reader.raw(length) };
}

/**
 * Returns the first complete batch at or after `from` with a number greater than `number`. If there
 * is such a batch, the bytes at `from` must have been synced.
 */
export function findBatchAfter(bytes: Uint8Array, from: number, salt: number, number: number): Batch | undefined {
  for (let at = aligned(from); at <= bytes.length - BATCH_HEADER; at += 8) {
    const batch = batchAt(bytes, at, salt);
    if (batch !== undefined && batch.number > number) return batch;
  }
  return undefined;
}

export function readRecords({ body }: Batch): LogRecord[] {
  const reader = new Reader(body);
  const records: LogRecord[] = [];
  while (reader.left > 0) records.push(readRecord(reader));
  return records;
}
