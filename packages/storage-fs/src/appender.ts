import { KontikiError, type Entry, type Owner } from '@kontiki/core';
import type { Folder } from '@kontiki/files';
import { BATCH_HEADER, batchLength, encodeBatch } from './batch.js';
import { Ledger } from './ledger.js';
import { recordLength, type Record } from './record.js';
import type { Recovered } from './recovery.js';
import { encodeHeader, segmentName, type Segment } from './segment.js';
import { SpareSegment } from './spare-segment.js';

/** Records of one batch, above a single record of any size: what one sync makes durable. */
const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** A call that waits for its batch to be durable. */
interface Waiting {
  readonly record: Record;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface AppenderOptions extends Recovered {
  readonly owner: Owner;
  readonly folder: Folder;
  readonly spare: SpareSegment;
  /** Uniform in [0, 1), for salts. */
  readonly random: () => number;
}

/**
 * Writes records, with group commit: what arrives while a sync is under way is written as one batch when it has ended.
 * No byte is written during a sync, so a power cut can tear the last batch only.
 */
export class Appender {
  readonly #options: AppenderOptions;
  /** The log as its callers see it: with everything that waits. The other ledger, of the options, is that of what is durable. */
  readonly #called = new Ledger();
  /** Calls not yet durable, oldest first. */
  #waiting: Waiting[] = [];
  #busy: Promise<void> | undefined;
  #failed: KontikiError | undefined;
  #end: number;
  #nextBatch: number;
  #capacity: number;

  constructor(options: AppenderOptions) {
    this.#options = options;
    this.#end = options.end;
    this.#nextBatch = options.nextBatch;
    this.#capacity = options.capacity;
    this.#called.restore(options.ledger.checkpoint);
  }

  /** Why no call is taken any more. */
  get failed(): KontikiError | undefined {
    return this.#failed;
  }

  get base(): number {
    return this.#called.base.index;
  }

  /** Begins the first segment of a new log. */
  async begin(): Promise<void> {
    await this.#beginSegment([]);
  }

  /** Resolves when the record is durable. */
  add(record: Record): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    try {
      this.#called.apply(record);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, resolve, reject });
      this.#busy ??= this.#writeAll();
    });
  }

  /** What calls that still wait say of the entries from `index` on. `until`: a newer call has other ones from there on. */
  undurable(index: number): { readonly entries: readonly Entry[] | undefined; readonly until: number } {
    let until = Infinity;
    for (let i = this.#waiting.length - 1; i >= 0; i -= 1) {
      const { record } = this.#waiting[i] as Waiting;
      // Nothing from before it is left.
      if (record.kind === 'reset') return { entries: [], until };
      const entries = record.kind === 'write' ? (record.entries ?? []) : [];
      const first = entries[0]?.index ?? Infinity;
      if (first <= index) return { entries: entries.slice(index - first), until };
      until = Math.min(until, first);
    }
    return { entries: undefined, until };
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#busy;
  }

  /** Writes batch by batch until nothing waits. The first write happens at once, within the call that brought it. */
  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#nextOf(this.#waiting);
        await this.#writeBatch(batch.map(({ record }) => record));
        this.#waiting.splice(0, batch.length);
        for (const { resolve } of batch) resolve();
      }
      this.#mark();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#busy = undefined;
    }
  }

  #nextOf(waiting: readonly Waiting[]): readonly Waiting[] {
    let bytes = 0;
    const end = waiting.findIndex(({ record }, i) => (bytes += recordLength(record)) > MAX_BATCH_BYTES && i > 0);
    return end < 0 ? [...waiting] : waiting.slice(0, end);
  }

  async #writeBatch(records: readonly Record[]): Promise<void> {
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
  #written(records: readonly Record[], length: number): void {
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
  async #beginSegment(records: readonly Record[]): Promise<void> {
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

  #fail(error: unknown): void {
    this.#failed = new KontikiError(
      'KONTIKI_STORE_FAILED',
      `The log in ${this.#options.folder.path} could not be written (${(error as Error).message}). What was acknowledged is kept; nothing more is written. See to the disk and start the server again.`,
      { cause: error },
    );
    for (const { reject } of this.#waiting) reject(this.#failed);
    this.#waiting = [];
  }
}
