import { KontikiError, type Owner, type Repair } from '@kontiki/core';
import { Ledger, type LogRecord } from '@kontiki/core/store';
import type { Folder } from '@kontiki/files';
import { batchAt, encodeBatch, laterBatch, readRecords, type Batch } from './batch.js';
import { EntryIndex } from './entry-index.js';
import { corrupt, readHeader, segmentName, sequenceOf, type Segment, type SegmentHeader } from './segment.js';

/** What opening a folder found: where the log goes on. */
export interface Recovered {
  readonly ledger: Ledger;
  readonly index: EntryIndex;
  /** Oldest first; writing goes on in the last one. */
  readonly segments: Segment[];
  readonly repairs: Repair[];
  /** Where the next batch is written in the last segment, and its number. */
  readonly end: number;
  readonly nextBatch: number;
  /** Bytes of the last segment's file. */
  readonly capacity: number;
}

/**
 * Reads a log back. A batch is written only after everything before it was synced, so whatever stands before a whole
 * batch or mark was durable, and damage there is an error; behind the last one stands at most what a crash tore, and
 * nothing of that was acknowledged. Before it returns, everything it found is made durable: after a crash of the
 * process, unsynced bytes are readable, and would die with the power.
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
    throw error;
  }
}

class Recovery {
  readonly ledger = new Ledger();
  readonly index = new EntryIndex();
  readonly segments: Segment[] = [];
  readonly repairs: Repair[] = [];
  readonly #folder: Folder;
  readonly #owner: Owner;
  #end = 0;
  #nextBatch = 1;
  #capacity = 0;
  /** The lowest index whose entry can be in the segments that are left. */
  #reachesBackTo = 1;

  constructor(folder: Folder, owner: Owner) {
    this.#folder = folder;
    this.#owner = owner;
  }

  async read(sequence: number, isLast: boolean): Promise<void> {
    const name = segmentName(sequence);
    const where = `${this.#folder.path}/${name}`;
    const file = await this.#folder.open(name);
    const before = this.segments.at(-1);
    const bytes = await file.read(0, await file.size());
    let parsed: ReturnType<typeof readHeader>;
    try {
      parsed = readHeader(bytes, where);
      this.#checkHeader(parsed.header, sequence, before, where);
    } catch (error) {
      await file.close();
      throw error;
    }
    const segment: Segment = { sequence, name, file, salt: parsed.header.salt };
    this.segments.push(segment);
    const last = this.#readBatches(segment, bytes, parsed.length, where);
    this.#capacity = bytes.length;
    if (isLast) await this.#mend(segment, bytes, last, where);
  }

  finish(): Recovered {
    const { ledger, index, segments, repairs } = this;
    if (segments.length > 0 && ledger.base.index + 1 < this.#reachesBackTo) {
      throw corrupt(
        this.#folder.path,
        0,
        `entries ${ledger.base.index + 1} to ${this.#reachesBackTo - 1} are in no segment: the oldest ones are gone`,
      );
    }
    const { committed } = ledger.checkpoint;
    if (committed > ledger.last) {
      throw new KontikiError(
        'KONTIKI_LOST_DATA',
        `${this.#folder.path} ends at entry ${ledger.last}, but ${committed} was committed here. Restore the folder, or remove this server from the cluster and add a new id.`,
      );
    }
    return { ledger, index, segments, repairs, end: this.#end, nextBatch: this.#nextBatch, capacity: this.#capacity };
  }

  #checkHeader(header: SegmentHeader, sequence: number, before: Segment | undefined, where: string): void {
    const { owner, checkpoint } = header;
    if (owner.cluster !== this.#owner.cluster || owner.server !== this.#owner.server) {
      throw new KontikiError(
        'KONTIKI_FOREIGN_DATA',
        `${where} is of server ${owner.server} in cluster ${owner.cluster}, not of ${this.#owner.server} in ${this.#owner.cluster}. Use the folder of this server.`,
      );
    }
    if (header.sequence !== sequence) throw corrupt(where, 0, `it says that it is segment ${header.sequence}`);
    if (before === undefined) {
      this.ledger.restore(checkpoint);
      this.#nextBatch = header.firstBatch;
      this.#reachesBackTo = checkpoint.last + 1;
    } else if (sequence !== before.sequence + 1) {
      throw corrupt(where, 0, `segment ${before.sequence + 1} before it is missing`);
    } else if (
      header.previousEnd !== this.#end ||
      header.firstBatch !== this.#nextBatch ||
      checkpoint.last !== this.ledger.last
    ) {
      // All of the segment before was synced when this one was begun.
      throw corrupt(
        `${this.#folder.path}/${before.name}`,
        this.#end,
        `what follows up to byte ${header.previousEnd} is damaged`,
      );
    }
  }

  /** Takes over whole batches from `begin` on, and returns the last one. */
  #readBatches(segment: Segment, bytes: Uint8Array, begin: number, where: string): Batch | undefined {
    let last: Batch | undefined;
    this.#end = begin;
    for (;;) {
      const batch = batchAt(bytes, this.#end, segment.salt);
      if (batch === undefined || batch.number !== this.#nextBatch || batch.body.length === 0) return last;
      this.#take(segment, batch, where);
      last = batch;
    }
  }

  #take(segment: Segment, batch: Batch, where: string): void {
    let records: LogRecord[];
    try {
      records = readRecords(batch);
      for (const record of records) this.ledger.apply(record);
    } catch (error) {
      throw corrupt(where, batch.begin, 'a whole batch cannot be read', error);
    }
    for (const record of records) {
      if (record.kind === 'write') {
        this.index.add(segment, batch.begin, batch.end, record.entries ?? []);
        this.#reachesBackTo = Math.min(this.#reachesBackTo, record.entries?.[0]?.index ?? Infinity);
      } else if (record.kind === 'compact') this.index.compact(record.base.index);
      else {
        this.index.clear();
        this.#reachesBackTo = record.base.index + 1;
      }
    }
    this.#end = batch.end;
    this.#nextBatch = batch.number + 1;
  }

  /** Cuts what a crash tore behind the last batch, and makes everything before durable. */
  async #mend(segment: Segment, bytes: Uint8Array, last: Batch | undefined, where: string): Promise<void> {
    const { file, salt } = segment;
    const end = this.#end;
    // A segment gets its name when its first batch is synced; the very first one begins without any.
    if (last === undefined && segment.sequence > 1)
      throw corrupt(where, end, 'the first batch of a segment is damaged');
    const later = laterBatch(bytes, end, salt, this.#nextBatch);
    if (later !== undefined)
      throw corrupt(where, end, `a batch is damaged, and a whole one follows at byte ${later.begin}`);
    const mark = batchAt(bytes, end, salt);
    const proven = mark?.number === this.#nextBatch && mark.body.length === 0;
    const from = proven ? mark.end : end;
    let torn = bytes.length;
    while (torn > from && bytes[torn - 1] === 0) torn -= 1;
    if (torn > from) {
      this.repairs.push({ where, offset: from, bytes: torn - from, reason: 'a write had not come to its end' });
      file.write(new Uint8Array(torn - from), from);
    }
    // The last batch may never have been synced, and a sync alone would not bring back what a failed one has dropped.
    if (last !== undefined && !proven) file.write(bytes.subarray(last.begin, last.end), last.begin);
    if (torn > from || !proven) await file.datasync();
    // From now on the last batch is known to have been synced, so damage to it is told from a torn write.
    if (!proven) file.write(encodeBatch(this.#nextBatch, salt, []), end);
  }
}
