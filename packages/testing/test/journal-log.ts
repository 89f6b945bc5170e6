import type { Entry, Owner } from '@kontiki/core';
import {
  AbstractLog,
  checkOwner,
  corruptData,
  LogStateTracker,
  movedError,
  type LogRecord,
  type OpenedLog,
} from '@kontiki/core/store';
import { crc32 } from '@kontiki/core/wire';
import type { File, Folder, Lock } from '@kontiki/files';
import { fromJson, toJson } from './json.js';

type Content =
  | { readonly kind: 'owner'; readonly owner: Owner }
  | { readonly kind: 'batch'; readonly records: readonly LogRecord[] }
  | { readonly kind: 'moved'; readonly where: string };

/** A part of the journal, with its number and its end offset. */
interface Part {
  readonly content: Content;
  readonly number: number;
  readonly end: number;
}

const NAME = 'journal';
const HEADER = 16;

/**
 * The simplest correct log on files. It appends parts to one file, and syncs each part before
 * writing the next one. All entries are also kept in memory. The file never shrinks. A part
 * consists of a checksum, its length, its number and JSON.
 */
export class JournalLog extends AbstractLog {
  readonly #folder: Folder;
  #lock!: Lock;
  #file!: File;
  #end = 0;
  #number = 0;
  readonly #entries = new Map<number, Entry>();

  constructor(folder: Folder) {
    super();
    this.#folder = folder;
  }

  protected override get _where(): string {
    return this.#folder.path;
  }

  protected override async _open(owner: Owner): Promise<OpenedLog> {
    this.#lock = await this.#folder.lock('log');
    try {
      const names = await this.#folder.list();
      this.#file = await (names.includes(NAME) ? this.#folder.open(NAME) : this.#folder.create(NAME));
      const tracker = new LogStateTracker();
      const torn = await this.#replay(tracker, owner);
      if (this.#number === 0) this.#put({ kind: 'owner', owner });
      // After a process crash, the parts that were just read may not be durable yet.
      await this.#file.datasync();
      await this.#folder.sync();
      const repair = { where: NAME, offset: this.#end, bytes: torn, reason: 'a torn part' };
      return { tracker, repairs: torn > 0 ? [repair] : [] };
    } catch (error) {
      await this.#lock.release();
      throw error;
    }
  }

  protected override async _write(records: readonly LogRecord[]): Promise<void> {
    this.#put({ kind: 'batch', records });
    await this.#file.datasync();
    for (const record of records) this.#keep(record);
  }

  protected override async _read(from: number, to: number): Promise<readonly Entry[]> {
    return Array.from({ length: to - from + 1 }, (_, i) => this.#entries.get(from + i) as Entry);
  }

  protected override async _retire(where: string): Promise<void> {
    this.#put({ kind: 'moved', where });
    await this.#file.datasync();
  }

  protected override async _close(): Promise<void> {
    await this.#file.close();
    await this.#lock.release();
  }

  /**
   * Reads all complete parts, starting with the first part. Overwrites a torn part at the end with
   * zeros, and returns the length of the torn part.
   */
  async #replay(tracker: LogStateTracker, owner: Owner): Promise<number> {
    [this.#end, this.#number] = [0, 0];
    this.#entries.clear();
    const bytes = await this.#file.read(0, await this.#file.size());
    for (let part = partAt(bytes, 0); part?.number === this.#number; part = partAt(bytes, this.#end)) {
      const { content, end } = part;
      if (content.kind === 'owner') checkOwner('The journal', content.owner, owner);
      else if (content.kind === 'moved') throw movedError('The journal', content.where);
      else {
        for (const record of content.records) {
          tracker.apply(record);
          this.#keep(record);
        }
      }
      this.#end = end;
      this.#number += 1;
    }
    let torn = bytes.length;
    while (torn > this.#end && bytes[torn - 1] === 0) torn -= 1;
    if (torn === this.#end) return 0;
    // All parts but the last one were synced, so only the last one can be torn.
    for (let at = this.#end + 1; at < torn; at += 1) {
      if (partAt(bytes, at) !== undefined) throw corruptData('The journal', `byte ${this.#end} is damaged`);
    }
    this.#file.write(new Uint8Array(torn - this.#end), this.#end);
    return torn - this.#end;
  }

  #keep(record: LogRecord): void {
    if (record.kind === 'write') for (const entry of record.entries ?? []) this.#entries.set(entry.index, entry);
  }

  #put(content: Content): void {
    const json = new TextEncoder().encode(toJson(content));
    const bytes = new Uint8Array(HEADER + json.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(4, json.length);
    view.setFloat64(8, this.#number);
    bytes.set(json, HEADER);
    view.setUint32(0, crc32(bytes.subarray(4)));
    this.#file.write(bytes, this.#end);
    this.#end += bytes.length;
    this.#number += 1;
  }
}

/** Returns the part at an offset, or undefined if no complete part starts there. */
function partAt(bytes: Uint8Array, at: number): Part | undefined {
  if (bytes.length - at < HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const end = at + HEADER + view.getUint32(4);
  if (end === at + HEADER || end > bytes.length) return undefined;
  if (view.getUint32(0) !== crc32(bytes.subarray(at + 4, end))) return undefined;
  const text = new TextDecoder().decode(bytes.subarray(at + HEADER, end));
  return { content: fromJson(text) as Content, number: view.getFloat64(8), end };
}
