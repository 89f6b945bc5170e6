import type { Owner } from '@kontiki/core';
import { GroupCommit, type LogRecord } from '@kontiki/core/store';
import type { Folder } from '@kontiki/files';
import { BATCH_HEADER, batchLength, encodeBatch } from './batch.js';
import { recordLength } from './record.js';
import type { Recovered } from './recovery.js';
import { encodeHeader, segmentName, type Segment } from './segment.js';
import { SpareSegment } from './spare-segment.js';

export interface AppenderOptions extends Recovered {
  readonly owner: Owner;
  readonly folder: Folder;
  readonly spare: SpareSegment;
  /** Uniform in [0, 1), for salts. */
  readonly random: () => number;
}

/** Writes records to the newest segment. No byte is written during a sync, so a power cut can tear the last batch only. */
export class Appender {
  readonly calls: GroupCommit;
  readonly #options: AppenderOptions;
  #end: number;
  #nextBatch: number;
  #capacity: number;

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#end = options.end;
    this.#nextBatch = options.nextBatch;
    this.#capacity = options.capacity;
    this.calls = new GroupCommit({
      checkpoint: options.ledger.checkpoint,
      where: options.folder.path,
      bytesOf: recordLength,
      write: (records) => this.#writeBatch(records),
      idle: () => this.#mark(),
    });
  }

  /** Begins the first segment of a new log. */
  async begin(): Promise<void> {
    await this.#beginSegment([]);
  }

  async #writeBatch(records: readonly LogRecord[]): Promise<void> {
    const length = batchLength(records);
    // Behind the batch there must be room for a mark.
    if (this.#end + length + BATCH_HEADER > this.#capacity) await this.#beginSegment(records);
    else {
      const segment = this.#segment;
      segment.file.write(encodeBatch(this.#nextBatch, segment.salt, records), this.#end);
      await segment.file.datasync();
      this.#written(records, length);
    }
    if (records.some(({ kind }) => kind !== 'write')) await this.#letGo();
  }

  get #segment(): Segment {
    return this.#options.segments.at(-1) as Segment;
  }

  /** The batch that was due is durable. */
  #written(records: readonly LogRecord[], length: number): void {
    const { ledger, index } = this.#options;
    const begin = this.#end;
    this.#end += length;
    this.#nextBatch += 1;
    for (const record of records) {
      ledger.apply(record);
      if (record.kind === 'write') index.add(this.#segment, begin, this.#end, record.entries ?? []);
      else if (record.kind === 'compact') index.compact(record.base.index);
      else index.clear();
    }
  }

  /** Begins a segment with its first batch. It gets its name when all of it is durable, so a segment that is found is whole. */
  async #beginSegment(records: readonly LogRecord[]): Promise<void> {
    const { owner, folder, segments, ledger, spare } = this.#options;
    const { checkpoint } = ledger;
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
    if (length > 0) this.#written(records, length);
    spare.prepare();
  }

  /** Says that everything so far is synced, while nobody waits. The next batch takes its place, so it needs no sync of its own. */
  #mark(): void {
    const { file, salt } = this.#segment;
    file.write(encodeBatch(this.#nextBatch, salt, []), this.#end);
  }

  /** Removes segments that hold nothing above the base, oldest first, so that what is left is always a chain. */
  async #letGo(): Promise<void> {
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
