import { entryBytes, KontikiError } from '@kontiki/core';
import { crc32, genesisOf } from '@kontiki/core/wire';
import type {
  Ballot,
  Entry,
  LogBase,
  LogState,
  LogStore,
  LogWrite,
  MembershipAt,
  Owner,
  Position,
} from '@kontiki/core';
import type { File, Folder, Lock } from '@kontiki/files';
import { fromJson, toJson } from './json.js';

type Record =
  | { readonly kind: 'owner'; readonly owner: Owner }
  | ({ readonly kind: 'write' } & LogWrite)
  | { readonly kind: 'reset' | 'compact'; readonly base: LogBase };

const HEADER = 16;

/**
 * The simplest log that keeps its promises: one file of records, each written and synced before the next one begins,
 * and everything in memory beside it. The file never shrinks. A record: checksum, length, its number, JSON.
 */
export class JournalLog implements LogStore {
  readonly #folder: Folder;
  #lock: Lock | undefined;
  #file: File | undefined;
  #end = 0;
  #number = 0;
  #writing: Promise<void> = Promise.resolve();
  #failed: KontikiError | undefined;
  #ballot: Ballot | undefined;
  #base: LogBase = { index: 0, term: 0, membership: undefined, genesis: undefined };
  #entries: Entry[] = [];
  #committed = 0;

  constructor(folder: Folder) {
    this.#folder = folder;
  }

  async open(owner: Owner): Promise<LogState> {
    const lock = await this.#folder.lock('log');
    try {
      const file = await this.#openFile();
      const torn = await this.#replay(file, owner);
      if (this.#number === 0) this.#put(file, { kind: 'owner', owner });
      // After a crash of the process even whole records may lie unsynced.
      await file.datasync();
      await this.#folder.sync();
      [this.#file, this.#lock] = [file, lock];
      const repair = { where: 'journal', offset: this.#end, bytes: torn, reason: 'a record is torn' };
      return this.#state(torn > 0 ? [repair] : []);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  append(write: LogWrite): Promise<void> {
    if (write.ballot === undefined && !write.entries?.length) return this.#check();
    return this.#call({ kind: 'write', ...write });
  }

  reset(base: LogBase): Promise<void> {
    return this.#call({ kind: 'reset', base });
  }

  compact(base: LogBase): Promise<void> {
    return this.#call({ kind: 'compact', base });
  }

  async read(from: number, to: number, maxBytes: number): Promise<Entry[]> {
    await this.#check();
    if (from <= this.#base.index) throw new KontikiError('KONTIKI_COMPACTED', `Entry ${from} is compacted away.`);
    const page: Entry[] = [];
    let bytes = 0;
    for (const entry of this.#entries) {
      if (entry.index < from) continue;
      bytes += entryBytes(entry);
      if (entry.index > to || (page.length > 0 && bytes > maxBytes)) break;
      page.push(entry);
    }
    return page;
  }

  /** It prepares no room, so it cannot tell before a write fails. */
  onFull(): void {}

  async close(): Promise<void> {
    const [file, lock] = [this.#file, this.#lock];
    this.#file = undefined;
    await this.#writing.catch(() => {});
    await file?.close();
    await lock?.release();
    [this.#lock, this.#failed, this.#writing] = [undefined, undefined, Promise.resolve()];
  }

  async #openFile(): Promise<File> {
    const names = await this.#folder.list();
    return names.includes('journal') ? this.#folder.open('journal') : this.#folder.create('journal');
  }

  /** Takes whole records, from the beginning; cuts a torn one at the end, and returns how many bytes that were. */
  async #replay(file: File, owner: Owner): Promise<number> {
    [this.#end, this.#number, this.#entries, this.#ballot, this.#committed] = [0, 0, [], undefined, 0];
    this.#base = { index: 0, term: 0, membership: undefined, genesis: undefined };
    const bytes = await file.read(0, await file.size());
    for (let found = recordAt(bytes, 0); found?.number === this.#number; found = recordAt(bytes, this.#end)) {
      this.#take(found.record, owner);
      this.#end = found.end;
      this.#number += 1;
    }
    if (this.#committed > this.#last) throw new KontikiError('KONTIKI_LOST_DATA', 'The journal ends too early.');
    let torn = bytes.length;
    while (torn > this.#end && bytes[torn - 1] === 0) torn -= 1;
    if (torn === this.#end) return 0;
    // A record is written when those before it are synced: only the last one can be torn.
    for (let at = this.#end + 1; at < torn; at += 1) {
      if (recordAt(bytes, at) !== undefined) throw new KontikiError('KONTIKI_CORRUPT', `Byte ${this.#end} is damaged.`);
    }
    file.write(new Uint8Array(torn - this.#end), this.#end);
    return torn - this.#end;
  }

  /** Does in memory what a record says; throws, and does nothing, if it doesn't fit. */
  #take(record: Record, owner?: Owner): void {
    if (record.kind === 'owner') {
      const { cluster, server } = record.owner;
      if (cluster === owner?.cluster && server === owner.server) return;
      throw new KontikiError('KONTIKI_FOREIGN_DATA', `This is the log of ${server} in ${cluster}.`);
    }
    if (record.kind === 'write') {
      const { ballot, entries = [], committed = 0 } = record;
      const from = entries[0]?.index ?? this.#last + 1;
      if (from <= this.#base.index || from > this.#last + 1) throw misfit(from);
      if (entries.some(({ index }, i) => index !== from + i)) throw misfit(from);
      this.#entries = [...this.#entries.slice(0, from - this.#base.index - 1), ...entries];
      this.#ballot = ballot ?? this.#ballot;
      this.#committed = Math.max(this.#committed, committed);
      return;
    }
    const { base } = record;
    if (record.kind === 'reset') {
      [this.#base, this.#entries, this.#committed] = [base, [], base.index];
      return;
    }
    if (base.index > this.#last) throw misfit(base.index);
    if (base.index <= this.#base.index) return;
    this.#entries = this.#entries.slice(base.index - this.#base.index);
    this.#base = base;
  }

  async #call(record: Record): Promise<void> {
    const file = this.#usable();
    this.#take(record);
    this.#writing = this.#writing.then(async () => {
      try {
        this.#put(file, record);
        await file.datasync();
      } catch (cause) {
        this.#failed = new KontikiError('KONTIKI_STORE_FAILED', 'The journal cannot be written.', { cause });
        throw this.#failed;
      }
    });
    return this.#writing;
  }

  #put(file: File, record: Record): void {
    const json = new TextEncoder().encode(toJson(record));
    const bytes = new Uint8Array(HEADER + json.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(4, json.length);
    view.setFloat64(8, this.#number);
    bytes.set(json, HEADER);
    view.setUint32(0, crc32(bytes.subarray(4)));
    file.write(bytes, this.#end);
    this.#end += bytes.length;
    this.#number += 1;
  }

  #state(repairs: LogState['repairs']): LogState {
    const terms: Position[] = [];
    const memberships: MembershipAt[] = [];
    for (const entry of this.#entries) {
      if (entry.term !== (terms.at(-1)?.term ?? this.#base.term)) terms.push({ index: entry.index, term: entry.term });
      if (entry.kind === 'membership') memberships.push({ index: entry.index, membership: entry.membership });
    }
    const [first] = this.#entries;
    const genesis = this.#base.genesis ?? (first?.kind === 'membership' ? genesisOf(first) : undefined);
    const [ballot, base, committed] = [this.#ballot, this.#base, this.#committed];
    return { ballot, base, last: this.#last, terms, memberships, committed, genesis, repairs };
  }

  get #last(): number {
    return this.#base.index + this.#entries.length;
  }

  #usable(): File {
    if (this.#file === undefined) throw new KontikiError('KONTIKI_CLOSED', 'The journal is not open.');
    if (this.#failed !== undefined) throw this.#failed;
    return this.#file;
  }

  async #check(): Promise<void> {
    this.#usable();
  }
}

function recordAt(bytes: Uint8Array, at: number): { record: Record; number: number; end: number } | undefined {
  if (bytes.length - at < HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const end = at + HEADER + view.getUint32(4);
  if (end === at + HEADER || end > bytes.length) return undefined;
  if (view.getUint32(0) !== crc32(bytes.subarray(at + 4, end))) return undefined;
  const text = new TextDecoder().decode(bytes.subarray(at + HEADER, end));
  return { record: fromJson(text) as Record, number: view.getFloat64(8), end };
}

function misfit(index: number): KontikiError {
  return new KontikiError('KONTIKI_INVARIANT', `Entry ${index} does not fit.`);
}
