import type { File, Folder } from '@kontiki/files';
import { encodeRecord, nextRecord, recordAt, type Change } from './record.js';
import type { Table } from './table.js';

const NAME = /^level-(\d{10})$/;
const UNFINISHED = 'level-new';

/** Bytes of a file behind which another one is begun, unless what it must hold has half as many. */
const MAX_FILE = 64 * 1024;

function nameOf(sequence: number): string {
  return `level-${`${sequence}`.padStart(10, '0')}`;
}

interface Open {
  readonly file: File;
  end: number;
  /** Bytes that are synced. */
  synced: number;
  /** Bytes of the record that it begins with: all that there was. */
  readonly first: number;
}

/**
 * The file of a database: a record a batch, one behind the other. It goes on in a new file, which begins with all that the
 * database holds, at the first change after a start, behind a failure, and when the file has grown: so nothing rests on what
 * a process that was killed or a sync that failed has left.
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

  /** Puts into the table what the newest file holds. */
  async load(table: Table): Promise<void> {
    const sequences = (await this.#folder.list()).map((name) => Number(NAME.exec(name)?.[1] ?? 0));
    this.#sequence = Math.max(0, ...sequences);
    if (this.#sequence === 0) return;
    const name = nameOf(this.#sequence);
    const file = await this.#folder.open(name);
    try {
      const bytes = await file.read(0, await file.size());
      for (let at = 0; at < bytes.length;) {
        const record = recordAt(bytes, at) ?? this.#behind(bytes, at, name);
        if (record === undefined) return;
        for (const { key, value } of record.changes) table.set(key, value);
        at = record.end;
      }
    } finally {
      await file.close();
    }
  }

  /** Writes changes; `all`: what there is before them. */
  async write(changes: readonly Change[], all: () => readonly Change[], sync: boolean): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined || open.end > Math.max(MAX_FILE, 2 * open.first)) {
      await open?.file.close();
      this.#open = await this.#begin(changes, all());
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

  /** Something that only takes time and may fail, as a read of a file does. */
  async touch(): Promise<void> {
    await this.#open?.file.read(0, 0);
  }

  async close(): Promise<void> {
    await this.#open?.file.close();
    this.#open = undefined;
  }

  /** What stands behind damage. Behind a write that a crash has torn there is nothing: it is the end. */
  #behind(bytes: Uint8Array, at: number, name: string): ReturnType<typeof nextRecord> {
    if (!isProven(bytes, at)) return undefined;
    if (this.#skipsDamagedBatches) return nextRecord(bytes, at);
    throw Object.assign(new Error(`Corruption: ${this.#folder.path}/${name}, byte ${at}`), {
      code: 'LEVEL_CORRUPTION',
    });
  }

  async #begin(changes: readonly Change[], all: readonly Change[]): Promise<Open> {
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

/** Whether what stands there was synced once: something that was written later says so. */
function isProven(bytes: Uint8Array, at: number): boolean {
  for (let later = nextRecord(bytes, at); later !== undefined; later = nextRecord(bytes, later.begin)) {
    if (later.synced > at) return true;
  }
  return false;
}
