import { KontikiError, SystemClock, type Clock, type Entry, type Owner } from '@kontiki/core';
import { AbstractLog, checkFolder, type LogRecord, type OpenedLog } from '@kontiki/core/store';
import type { Folder, Lock } from '@kontiki/files';
import { openFolder } from '@kontiki/files/node';
import { Appender } from './appender.js';
import { batchAt, readRecords } from './batch.js';
import type { EntryIndex, Run } from './entry-index.js';
import { recover } from './recovery.js';
import { refuseRetired, retire } from './retirement.js';
import { corruptSegment, type Segment } from './segment.js';
import { SpareSegment } from './spare-segment.js';

export interface FileLogOptions {
  /**
   * The size of a segment in bytes. A batch that does not fit gets a larger segment. Default 16
   * MiB.
   */
  readonly segmentBytes?: number | undefined;
  /** The clock that schedules retries when the disk is full. Default: the system clock. */
  readonly clock?: Clock | undefined;
  /**
   * A random number generator for segment salts. It returns uniformly distributed numbers in [0,
   * 1). Default: `crypto`.
   */
  readonly random?: (() => number) | undefined;
}

/** Maximum size of a segment, 1 GiB, so that offsets fit in 32 bits. */
const MAX_SEGMENT = 1024 * 1024 * 1024;

function strongRandom(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] as number) / 2 ** 32;
}

/** The entries of a run, from the run's first entry on. */
interface ReadRun {
  readonly run: Run;
  /** The offset at which the run ended when it was read. */
  readonly end: number;
  readonly entries: readonly Entry[];
}

/** The parts of an open log. */
interface OpenFileLog {
  readonly folder: Folder;
  readonly lock: Lock;
  readonly spare: SpareSegment;
  readonly appender: Appender;
  readonly index: EntryIndex;
  readonly segments: readonly Segment[];
}

/**
 * A log in segment files, with group commit. All records that arrive during a sync become durable
 * together in the next sync.
 */
export class FileLog extends AbstractLog {
  readonly #folder: string | Folder;
  readonly #segmentBytes: number;
  readonly #clock: Clock;
  readonly #random: () => number;
  #opened!: OpenFileLog;
  /**
   * The run that was read most recently. Without this cache, every page of a large batch would
   * decode the whole batch again.
   */
  #read: ReadRun | undefined;

  /** `folder` is a path or an open folder. No other log may use the folder. */
  constructor(folder: string | Folder, options: FileLogOptions = {}) {
    super();
    this.#folder = checkFolder(folder);
    this.#segmentBytes = options.segmentBytes ?? 16 * 1024 * 1024;
    if (!Number.isInteger(this.#segmentBytes) || this.#segmentBytes < 512 || this.#segmentBytes > MAX_SEGMENT) {
      const text = `segmentBytes must be an integer from 512 to ${MAX_SEGMENT}, not ${this.#segmentBytes}.`;
      throw new KontikiError('KONTIKI_BAD_OPTION', text);
    }
    this.#random = options.random ?? strongRandom;
    this.#clock = options.clock ?? new SystemClock();
  }

  protected override get _where(): string {
    return typeof this.#folder === 'string' ? this.#folder : this.#folder.path;
  }

  protected override async _open(owner: Owner): Promise<OpenedLog> {
    const folder = typeof this.#folder === 'string' ? await openFolder(this.#folder) : this.#folder;
    const lock = await folder.lock('log');
    const spare = new SpareSegment(folder, this.#segmentBytes, this.#clock, (full) => this.setFull(full));
    try {
      await refuseRetired(folder);
      const recovered = await recover(folder, owner);
      const { tracker, index, segments, repairs } = recovered;
      const appender = new Appender({ owner, folder, spare, random: this.#random, ...recovered });
      if (segments.length === 0) await appender.createFirstSegment();
      spare.prepare();
      this.#opened = { folder, lock, spare, appender, index, segments };
      return { tracker, repairs };
    } catch (error) {
      await spare.close();
      await lock.release();
      throw error;
    }
  }

  protected override _write(records: readonly LogRecord[]): Promise<void> {
    return this.#opened.appender.write(records);
  }

  protected override _onIdle(): void {
    this.#opened.appender.writeIdleMark();
  }

  protected override async _read(from: number, to: number): Promise<readonly Entry[]> {
    const run = this.#opened.index.find(from);
    if (run === undefined) return [];
    const { first, last, end } = run;
    if (this.#read?.run !== run || this.#read.end !== end) {
      this.#read = { run, end, entries: await this.#entriesOf(run) };
    }
    return this.#read.entries.slice(from - first, Math.min(to, last) + 1 - first);
  }

  async #entriesOf({ segment, first, begin, end }: Run): Promise<readonly Entry[]> {
    const { folder } = this.#opened;
    const bytes = await segment.file.read(begin, end - begin);
    const entries: Entry[] = [];
    for (let at = 0; at < bytes.length;) {
      const batch = batchAt(bytes, at, segment.salt);
      if (batch === undefined) {
        throw corruptSegment(`${folder.path}/${segment.name}`, begin + at, 'a batch is damaged');
      }
      // If an index appears twice in a run, the later entry replaces the earlier one.
      for (const record of readRecords(batch)) {
        if (record.kind !== 'write') continue;
        for (const entry of record.entries ?? []) if (entry.index >= first) entries[entry.index - first] = entry;
      }
      at = batch.end;
    }
    return entries;
  }

  protected override _retire(where: string): Promise<void> {
    return retire(this.#opened.folder, where);
  }

  protected override async _close(): Promise<void> {
    const { spare, segments, lock } = this.#opened;
    this.#read = undefined;
    try {
      await spare.close();
      await Promise.all(segments.map(({ file }) => file.close()));
    } finally {
      await lock.release();
    }
  }
}
