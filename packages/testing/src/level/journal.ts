import type { File, Folder } from '@kontiki/files';
import { encodeRecord, nextRecord, recordAt, type Change } from './record.js';
import type { Table } from './table.js';

const NAME = /^level-(\d{10})$/;
const UNFINISHED = 'level-new';

/**
 * Size in bytes above which the journal starts a new file. If twice the length of the file's first
 * record is larger, that is the limit instead.
 */
const MAX_FILE = 64 * 1024;

function nameOf(sequence: number): string {
  return `level-${`${sequence}`.padStart(10, '0')}`;
}

/** The journal file to which batches are currently written. */
interface Open {
  readonly file: File;
  end: number;
  /** Number of bytes in the file that have been synced. */
  synced: number;
  /**
   * Length of the first record, which contains the whole database as it was when the file was
   * started.
   */
  readonly first: number;
}

/**
 * The file of a database, with one record per batch. A new file starts with a record of the whole
 * database. The journal starts a new file at the first change after opening, after a failure, and
 * when the file has grown too long. It therefore never appends after bytes left by a killed process
 * or a failed sync.
 */
export class Journal {
  readonly #folder: Folder;
  readonly #skipsDamagedBatches: boolean;
  #sequence = 0;
  #open: Open | undefined;

  constructor(folder: Folder, skipsDamagedBatches: boolean) {
    this.#folder = folder;
    this.#skipsDamagedBatches = skipsDamagedBatches;
  }

  /** Loads the newest file into a table. */
  async load(table: Table): Promise<void> {
    const sequences = (await this.#folder.list()).map((name) => Number(NAME.exec(name)?.[1] ?? 0));
    this.#sequence = Math.max(0, ...sequences);
    if (this.#sequence === 0) return;
    const name = nameOf(this.#sequence);
    const file = await this.#folder.open(name);
    try {
      const bytes = await file.read(0, await file.size());
      for (let at = 0; at < bytes.length;) {
        const record = recordAt(bytes, at) ?? this.#afterDamage(bytes, at, name);
        if (record === undefined) return;
        for (const { key, value } of record.changes) table.set(key, value);
        at = record.end;
      }
    } finally {
      await file.close();
    }
  }

  /** Writes a batch of changes. `all` returns the contents of the database before these changes. */
  async write(changes: readonly Change[], all: () => readonly Change[], sync: boolean): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined || open.end > Math.max(MAX_FILE, 2 * open.first)) {
      await open?.file.close();
      this.#open = await this.#startFile(changes, all());
      return;
    }
    const record = encodeRecord(changes, open.synced);
    open.file.write(record, open.end);
    open.end += record.length;
    if (sync) {
      const { end } = open;
      await open.file.datasync();
      open.synced = end;
    }
    this.#open = open;
  }

  /** Reads zero bytes from the file. Like any other read, this takes time and may fail. */
  async touch(): Promise<void> {
    await this.#open?.file.read(0, 0);
  }

  async close(): Promise<void> {
    await this.#open?.file.close();
    this.#open = undefined;
  }

  /**
   * Called when a file has no valid record at a position. If a crash tore the last write, the
   * journal ends there, so returns undefined. If the record is damaged, returns the next valid
   * record if the option `skipsDamagedBatches` is set, and throws otherwise.
   */
  #afterDamage(bytes: Uint8Array, at: number, name: string): ReturnType<typeof nextRecord> {
    if (!isProven(bytes, at)) return undefined;
    if (this.#skipsDamagedBatches) return nextRecord(bytes, at);
    throw Object.assign(new Error(`Corruption: ${this.#folder.path}/${name}, byte ${at}`), {
      code: 'LEVEL_CORRUPTION',
    });
  }

  async #startFile(changes: readonly Change[], all: readonly Change[]): Promise<Open> {
    const folder = this.#folder;
    await folder.remove(UNFINISHED);
    const file = await folder.create(UNFINISHED);
    const first = encodeRecord(all, 0);
    const record = encodeRecord(changes, 0);
    file.write(first, 0);
    file.write(record, first.length);
    await file.datasync();
    this.#sequence += 1;
    await folder.rename(UNFINISHED, nameOf(this.#sequence));
    await folder.sync();
    for (const name of await folder.list()) {
      if (NAME.test(name) && name !== nameOf(this.#sequence)) await folder.remove(name);
    }
    const end = first.length + record.length;
    return { file, end, synced: end, first: first.length };
  }
}

/** Returns whether a later record proves that the bytes at a position were synced. */
function isProven(bytes: Uint8Array, at: number): boolean {
  for (let later = nextRecord(bytes, at); later !== undefined; later = nextRecord(bytes, later.start)) {
    if (later.synced > at) return true;
  }
  return false;
}
