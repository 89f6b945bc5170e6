import type { Owner } from '@kontiki/core';
import type { LogRecord } from '@kontiki/core/store';
import type { Folder } from '@kontiki/files';
import { BATCH_HEADER, batchLength, encodeBatch } from './batch.js';
import type { Recovered } from './recovery.js';
import { encodeHeader, segmentName, type Segment } from './segment.js';
import { SpareSegment } from './spare-segment.js';

export interface AppenderOptions extends Recovered {
  readonly owner: Owner;
  readonly folder: Folder;
  readonly spare: SpareSegment;
  /**
   * A random number generator for segment salts. It returns uniformly distributed numbers in [0,
   * 1).
   */
  readonly random: () => number;
}

/**
 * Writes batches of records to the newest segment. It writes nothing during a sync, so a power
 * failure can tear only the last batch.
 */
export class Appender {
  readonly #options: AppenderOptions;
  /** The offset of the next batch in the newest segment. */
  #end: number;
  #nextBatch: number;
  /** The size of the newest segment file in bytes. */
  #capacity: number;

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#end = options.end;
    this.#nextBatch = options.nextBatch;
    this.#capacity = options.capacity;
  }

  /** Creates the first segment of a new log. */
  async createFirstSegment(): Promise<void> {
    await this.#createSegment([]);
  }

  /** Writes a batch. Resolves when the batch is durable. */
  async write(records: readonly LogRecord[]): Promise<void> {
    const length = batchLength(records);
    // The segment must also have room for an idle mark after this batch.
    if (this.#end + length + BATCH_HEADER > this.#capacity) await this.#createSegment(records);
    else {
      const segment = this.#segment;
      segment.file.write(encodeBatch(this.#nextBatch, segment.salt, records), this.#end);
      await segment.file.datasync();
      this.#addToState(records, length);
    }
    if (records.some(({ kind }) => kind !== 'write')) await this.#removeOldSegments();
  }

  /**
   * Writes an idle mark, which shows that all bytes before it were synced. The mark itself needs no
   * sync, because the next batch overwrites it.
   */
  writeIdleMark(): void {
    const { file, salt } = this.#segment;
    file.write(encodeBatch(this.#nextBatch, salt, []), this.#end);
  }

  get #segment(): Segment {
    return this.#options.segments.at(-1) as Segment;
  }

  /** Adds a durable batch to the in-memory state of the log. */
  #addToState(records: readonly LogRecord[], length: number): void {
    const { tracker, index } = this.#options;
    const begin = this.#end;
    this.#end += length;
    this.#nextBatch += 1;
    for (const record of records) {
      tracker.apply(record);
      if (record.kind === 'write') index.add(this.#segment, begin, this.#end, record.entries ?? []);
      else if (record.kind === 'compact') index.compact(record.base.index);
      else index.clear();
    }
  }

  /**
   * Creates a segment that begins with the given batch. The file is renamed to a segment name only
   * after its contents are durable, so every segment found at startup is complete.
   */
  async #createSegment(records: readonly LogRecord[]): Promise<void> {
    const { owner, folder, segments, tracker, spare } = this.#options;
    const { checkpoint } = tracker;
    const sequence = (segments.at(-1)?.sequence ?? 0) + 1;
    const salt = 1 + Math.floor(this.#options.random() * 0xffff_fffe);
    const header = encodeHeader({
      salt,
      sequence,
      firstBatch: this.#nextBatch,
      previousEnd: this.#end,
      owner,
      checkpoint,
    });
    const length = records.length === 0 ? 0 : batchLength(records);
    const { file, capacity } = await spare.take(header.length + length + BATCH_HEADER);
    file.write(header, 0);
    if (length > 0) file.write(encodeBatch(this.#nextBatch, salt, records), header.length);
    await file.datasync();
    const name = segmentName(sequence);
    await folder.rename(SpareSegment.NAME, name);
    await folder.sync();
    segments.push({ sequence, name, file, salt });
    this.#end = header.length;
    this.#capacity = capacity;
    if (length > 0) this.#addToState(records, length);
    spare.prepare();
  }

  /**
   * Removes the segments that contain no entries after the base, oldest first, so that there is
   * never a gap between the remaining segments.
   */
  async #removeOldSegments(): Promise<void> {
    const { folder, segments, index } = this.#options;
    for (let next = segments[1]; next !== undefined; next = segments[1]) {
      const [oldest] = segments as [Segment];
      if (!index.isEmptyBefore(next)) return;
      segments.shift();
      await oldest.file.close();
      await folder.remove(oldest.name);
    }
  }
}
