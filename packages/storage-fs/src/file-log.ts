import {
  isKontikiError,
  KontikiError,
  SystemClock,
  type Clock,
  type Entry,
  type LogBase,
  type LogState,
  type LogStore,
  type LogWrite,
  type Owner,
} from '@kontiki/core';
import { readPage } from '@kontiki/core/store';
import type { Folder, Lock } from '@kontiki/files';
import { openFolder } from '@kontiki/files/node';
import { Appender } from './appender.js';
import { batchAt, readRecords } from './batch.js';
import type { Run } from './entry-index.js';
import { recover, type Recovered } from './recovery.js';
import { refuseRetired, retire } from './retirement.js';
import { corrupt } from './segment.js';
import { SpareSegment } from './spare-segment.js';

export interface FileLogOptions {
  /** Bytes of a segment; a batch that is larger gets one of its own size. Default 16 MiB. */
  readonly segmentBytes?: number | undefined;
  /** For trying again when the disk is full. Default: the system's time. */
  readonly clock?: Clock | undefined;
  /** Uniform in [0, 1), for what tells one segment's batches from bytes that only look like them. Default: from `crypto`. */
  readonly random?: (() => number) | undefined;
}

/** 1 GiB: offsets stay within 32 bits. */
const MAX_SEGMENT = 1024 * 1024 * 1024;

function strongRandom(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] as number) / 2 ** 32;
}

interface Opened extends Recovered {
  readonly lock: Lock;
  readonly spare: SpareSegment;
  readonly folder: Folder;
  readonly appender: Appender;
}

/** A log on files, in segments, with group commit: one sync makes durable whatever has come while the last one ran. */
export class FileLog implements LogStore {
  readonly #place: string | Folder;
  readonly #segmentBytes: number;
  readonly #clock: Clock;
  readonly #random: () => number;
  #opened: Opened | undefined;
  /** Reads under way, whose files must stay open. */
  readonly #reads = new Set<Promise<Entry[]>>();
  #onFull: (full: boolean) => void = () => {};

  /** `place`: the folder's path, or a folder that is open already. The folder is this log's alone. */
  constructor(place: string | Folder, options: FileLogOptions = {}) {
    this.#place = place;
    this.#segmentBytes = options.segmentBytes ?? 16 * 1024 * 1024;
    if (!Number.isInteger(this.#segmentBytes) || this.#segmentBytes < 512 || this.#segmentBytes > MAX_SEGMENT) {
      const text = `segmentBytes must be an integer from 512 to ${MAX_SEGMENT}, not ${this.#segmentBytes}.`;
      throw new KontikiError('KONTIKI_BAD_OPTION', text);
    }
    this.#random = options.random ?? strongRandom;
    this.#clock = options.clock ?? new SystemClock();
  }

  async open(owner: Owner): Promise<LogState> {
    const place = this.#place;
    const folder = typeof place === 'string' ? await openFolder(place).catch(refused(place)) : place;
    const lock = await folder.lock('log').catch(refused(folder.path));
    const spare = new SpareSegment(folder, this.#segmentBytes, this.#clock, (full) => this.#onFull(full));
    try {
      await refuseRetired(folder);
      const recovered = await recover(folder, owner);
      const appender = new Appender({ owner, folder, spare, random: this.#random, ...recovered });
      if (recovered.segments.length === 0) await appender.begin();
      spare.prepare();
      this.#opened = { ...recovered, folder, lock, spare, appender };
      return recovered.ledger.state(recovered.repairs);
    } catch (error) {
      await spare.close();
      await lock.release();
      throw isKontikiError(error) ? error : unusable(folder.path, error as Error);
    }
  }

  async append(write: LogWrite): Promise<void> {
    const { ballot, entries = [], committed } = write;
    const { appender } = this.#usable();
    // The commit index alone is worth no write; the next one carries it.
    if (ballot !== undefined || entries.length > 0)
      await appender.calls.add({ kind: 'write', ballot, entries, committed });
  }

  async reset(base: LogBase): Promise<void> {
    await this.#usable().appender.calls.add({ kind: 'reset', base });
  }

  async compact(base: LogBase): Promise<void> {
    await this.#usable().appender.calls.add({ kind: 'compact', base });
  }

  async read(from: number, to: number, maxBytes: number): Promise<Entry[]> {
    // A close that comes meanwhile waits for it.
    const opened = this.#usable();
    const read = readPage((next, end) => this.#find(opened, next, end), from, to, maxBytes);
    this.#reads.add(read);
    try {
      return await read;
    } finally {
      this.#reads.delete(read);
    }
  }

  onFull(listener: (full: boolean) => void): void {
    this.#onFull = listener;
    if (this.#opened?.spare.full === true) listener(true);
  }

  async retire(where: string): Promise<void> {
    const { appender, folder } = this.#usable();
    await appender.calls.retire(where, () => retire(folder, where));
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) return;
    this.#opened = undefined;
    try {
      await opened.appender.calls.close();
      await Promise.allSettled(this.#reads);
      await opened.spare.close();
      await Promise.all(opened.segments.map(({ file }) => file.close()));
    } finally {
      await opened.lock.release();
    }
  }

  #usable(): Opened {
    const opened = this.#opened;
    if (opened === undefined) throw new KontikiError('KONTIKI_CLOSED', 'The log is not open.');
    const { failed } = opened.appender.calls;
    if (failed !== undefined) throw failed;
    return opened;
  }

  /** Some entries from `from` on; none beyond the last one. */
  async #find(opened: Opened, from: number, to: number): Promise<readonly Entry[]> {
    const { index } = opened;
    const { calls } = opened.appender;
    if (calls.failed !== undefined) throw calls.failed;
    if (from <= calls.base) throw compacted(from, calls.base);
    const { entries, until } = calls.undurable(from);
    if (entries !== undefined) return entries.slice(0, until - from);
    const run = index.find(from);
    if (run === undefined) return [];
    try {
      return await this.#load(opened, run, from, Math.min(to, run.last, until - 1));
    } catch (error) {
      // Its segment may have been let go while it was read.
      if (from <= calls.base) throw compacted(from, calls.base);
      throw isKontikiError(error) ? error : unusable(opened.folder.path, error as Error);
    }
  }

  /** Reads a run's batches. Of an index that stands in it twice, the later one counts. */
  async #load({ folder }: Opened, { segment, begin, end }: Run, from: number, to: number): Promise<Entry[]> {
    const bytes = await segment.file.read(begin, end - begin);
    const entries: Entry[] = [];
    for (let at = 0; at < bytes.length;) {
      const batch = batchAt(bytes, at, segment.salt);
      if (batch === undefined) throw corrupt(`${folder.path}/${segment.name}`, begin + at, 'a batch is damaged');
      for (const record of readRecords(batch)) {
        if (record.kind !== 'write') continue;
        for (const entry of record.entries ?? []) {
          if (entry.index >= from && entry.index <= to) entries[entry.index - from] = entry;
        }
      }
      at = batch.end;
    }
    return entries;
  }
}

function compacted(from: number, base: number): KontikiError {
  return new KontikiError('KONTIKI_COMPACTED', `Entries up to ${base} are compacted away; ${from} was read.`);
}

function refused(path: string): (error: Error) => never {
  return (error) => {
    throw unusable(path, error);
  };
}

function unusable(path: string, error: NodeJS.ErrnoException): KontikiError {
  if (error.code === 'KONTIKI_LOCKED') return new KontikiError('KONTIKI_LOCKED', error.message, { cause: error });
  return new KontikiError('KONTIKI_STORE_FAILED', `The log's folder ${path} cannot be used (${error.message}).`, {
    cause: error,
  });
}
