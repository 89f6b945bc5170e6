import type { LogRecord } from '@kontiki/core/store';
import { crc32, Reader, Writer } from '@kontiki/core/wire';
import { readRecord, recordLength, writeRecord } from './record.js';

/**
 * What one sync makes durable, as it stands in a segment: checksum of all that follows (4 bytes), the segment's salt
 * (4), bytes of the records (4), zeros (4), the batch's number (8), the records, and zeros up to a multiple of 8.
 * A batch without records is a mark: it says that everything before it was synced, and the next batch overwrites it.
 */
export const BATCH_HEADER = 24;

/** The next place where a batch may begin. */
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

/** A batch that was found whole. */
export interface Batch {
  readonly number: number;
  /** Its first byte, and the one after its last, in the bytes it was found in. */
  readonly begin: number;
  readonly end: number;
  readonly body: Uint8Array;
}

/** The batch at `begin`; undefined when no whole one of this segment stands there. No length is trusted before the checksum. */
export function batchAt(bytes: Uint8Array, begin: number, salt: number): Batch | undefined {
  if (bytes.length - begin < BATCH_HEADER) return undefined;
  // Looked at first, since whoever searches a segment asks at two million places.
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

/** Whether a batch of a number above `number` begins anywhere after `from`: then what stands at `from` was synced once. */
export function laterBatch(bytes: Uint8Array, from: number, salt: number, number: number): Batch | undefined {
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
