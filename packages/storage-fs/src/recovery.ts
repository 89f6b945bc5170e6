import { isKontikiError, type Owner, type Repair } from '@kontiki/core';
import { checkOwner, corruptData, LogStateTracker, undecodable, type LogRecord } from '@kontiki/core/store';
import type { Folder } from '@kontiki/files';
import { batchAt, encodeBatch, findBatchAfter, readRecords, type Batch } from './batch.js';
import { EntryIndex } from './entry-index.js';
import { corruptSegment, readHeader, segmentName, sequenceOf, type Segment, type SegmentHeader } from './segment.js';

/** The log that was found in a folder, and the position at which writing continues. */
export interface Recovered {
  readonly tracker: LogStateTracker;
  readonly index: EntryIndex;
  /** Segments of the log, oldest first. New batches are appended to the last segment. */
  readonly segments: Segment[];
  readonly repairs: Repair[];
  /** The offset of the next batch in the last segment. */
  readonly end: number;
  readonly nextBatch: number;
  /** The size of the last segment file in bytes. */
  readonly capacity: number;
}

/**
 * Recovers the log in a folder. A batch is written only after all bytes before it have been synced.
 * So a complete batch or an idle mark proves that all bytes before it were durable, and any damage
 * to them is an error. After the last complete batch or mark, there is at most one torn batch,
 * which was never acknowledged.
 *
 * When the promise resolves, all recovered data is durable. A killed process may have left bytes in
 * the system's cache. These bytes can be read, but a power failure would lose them, so recovery
 * makes them durable.
 */
export async function recover(folder: Folder, owner: Owner): Promise<Recovered> {
  const sequences = (await folder.list()).map(sequenceOf).filter((sequence) => sequence !== undefined);
  sequences.sort((a, b) => a - b);
  const recovery = new Recovery(folder, owner);
  try {
    for (const sequence of sequences) await recovery.read(sequence, sequence === sequences.at(-1));
    await folder.sync();
    return recovery.finish();
  } catch (error) {
    await Promise.all(recovery.segments.map(({ file }) => file.close()));
    // The checksum of a batch is correct, but its number cannot be decoded.
    if (isKontikiError(error, 'KONTIKI_PROTOCOL')) throw corruptData(folder.path, 'a batch cannot be read', error);
    throw error;
  }
}

class Recovery {
  readonly tracker = new LogStateTracker();
  readonly index = new EntryIndex();
  readonly segments: Segment[] = [];
  readonly repairs: Repair[] = [];
  readonly #folder: Folder;
  readonly #owner: Owner;
  #end = 0;
  #nextBatch = 1;
  #capacity = 0;
  /** The lowest index that an entry in the existing segments can have. */
  #lowestIndex = 1;

  constructor(folder: Folder, owner: Owner) {
    this.#folder = folder;
    this.#owner = owner;
  }

  async read(sequence: number, isLast: boolean): Promise<void> {
    const name = segmentName(sequence);
    const where = `${this.#folder.path}/${name}`;
    const file = await this.#folder.open(name);
    const previous = this.segments.at(-1);
    const bytes = await file.read(0, await file.size());
    let parsed: ReturnType<typeof readHeader>;
    try {
      parsed = readHeader(bytes, where);
      this.#checkHeader(parsed.header, sequence, previous, where);
    } catch (error) {
      await file.close();
      throw error;
    }
    const segment: Segment = { sequence, name, file, salt: parsed.header.salt };
    this.segments.push(segment);
    const last = this.#readBatches(segment, bytes, parsed.length, where);
    this.#capacity = bytes.length;
    if (isLast) await this.#repairEnd(segment, bytes, last, where);
  }

  finish(): Recovered {
    const { tracker, index, segments, repairs } = this;
    const first = tracker.base.index + 1;
    if (segments.length > 0 && first < this.#lowestIndex) {
      const missing = `entries ${first} to ${this.#lowestIndex - 1} are missing, because the oldest segments are gone`;
      throw corruptData(this.#folder.path, missing);
    }
    return { tracker, index, segments, repairs, end: this.#end, nextBatch: this.#nextBatch, capacity: this.#capacity };
  }

  #checkHeader(header: SegmentHeader, sequence: number, previous: Segment | undefined, where: string): void {
    const { owner, checkpoint } = header;
    checkOwner(where, owner, this.#owner);
    if (header.sequence !== sequence) {
      throw corruptSegment(where, 0, `the header belongs to segment ${header.sequence}`);
    }
    if (previous === undefined) {
      this.tracker.restore(checkpoint);
      this.#nextBatch = header.firstBatch;
      this.#lowestIndex = checkpoint.last + 1;
    } else if (sequence !== previous.sequence + 1) {
      throw corruptSegment(where, 0, `the previous segment, number ${previous.sequence + 1}, is missing`);
    } else if (
      header.previousEnd !== this.#end ||
      header.firstBatch !== this.#nextBatch ||
      checkpoint.last !== this.tracker.last
    ) {
      // The previous segment was fully synced before this one was created, so the previous one must
      // be damaged.
      throw corruptSegment(
        `${this.#folder.path}/${previous.name}`,
        this.#end,
        `the bytes from here to byte ${header.previousEnd} are damaged`,
      );
    }
  }

  /** Applies the complete batches from `begin` on. Returns the last one. */
  #readBatches(segment: Segment, bytes: Uint8Array, begin: number, where: string): Batch | undefined {
    let last: Batch | undefined;
    this.#end = begin;
    for (;;) {
      const batch = batchAt(bytes, this.#end, segment.salt);
      if (batch === undefined || batch.number !== this.#nextBatch || batch.body.length === 0) return last;
      this.#apply(segment, batch, where);
      last = batch;
    }
  }

  #apply(segment: Segment, batch: Batch, where: string): void {
    let records: LogRecord[];
    try {
      records = readRecords(batch);
      for (const record of records) this.tracker.apply(record);
    } catch (error) {
      throw undecodable(`${where}, byte ${batch.begin}`, 'a batch with a valid checksum cannot be read', error);
    }
    for (const record of records) {
      if (record.kind === 'write') {
        this.index.add(segment, batch.begin, batch.end, record.entries ?? []);
        this.#lowestIndex = Math.min(this.#lowestIndex, record.entries?.[0]?.index ?? Infinity);
      } else if (record.kind === 'compact') this.index.compact(record.base.index);
      else {
        this.index.clear();
        this.#lowestIndex = record.base.index + 1;
      }
    }
    this.#end = batch.end;
    this.#nextBatch = batch.number + 1;
  }

  /** Erases a torn write after the last batch, if any, and makes all bytes before it durable. */
  async #repairEnd(segment: Segment, bytes: Uint8Array, last: Batch | undefined, where: string): Promise<void> {
    const { file, salt } = segment;
    const end = this.#end;
    // A segment is renamed to its final name once its first batch has been synced. Only the first
    // segment of a log starts without a batch.
    if (last === undefined && segment.sequence > 1) {
      throw corruptSegment(where, end, 'the first batch of the segment is damaged');
    }
    const later = findBatchAfter(bytes, end, salt, this.#nextBatch);
    if (later !== undefined) {
      throw corruptSegment(where, end, `a batch is damaged, but a whole batch follows at byte ${later.begin}`);
    }
    const mark = batchAt(bytes, end, salt);
    const proven = mark?.number === this.#nextBatch && mark.body.length === 0;
    const from = proven ? mark.end : end;
    let torn = bytes.length;
    while (torn > from && bytes[torn - 1] === 0) torn -= 1;
    if (torn > from) {
      this.repairs.push({ where, offset: from, bytes: torn - from, reason: 'the last write was incomplete' });
      file.write(new Uint8Array(torn - from), from);
    }
    // The last batch may not have been synced. Write it again, because a second sync does not write
    // bytes that a failed sync has dropped.
    if (last !== undefined && !proven) file.write(bytes.subarray(last.begin, last.end), last.begin);
    if (torn > from || !proven) await file.datasync();
    // With this idle mark, the next start can distinguish damage to the last batch from a torn
    // write.
    if (!proven) file.write(encodeBatch(this.#nextBatch, salt, []), end);
  }
}
