import { entryBytes, KontikiError } from '@kontiki/core';
import type { Entry, LogBase, LogState, LogStore, LogWrite, Owner } from '@kontiki/core';
import { Ledger, movedError, type LogRecord } from '@kontiki/core/store';
import { crc32 } from '@kontiki/core/wire';
import { fromJson, toJson } from './json.js';

/** Where this log keeps its bytes: all in one row. */
export interface Tape {
  /** Keeps others out; false when another has it. */
  take(): boolean;
  release(): void;
  read(): Promise<Uint8Array>;
  /** Behind what is there. */
  write(bytes: Uint8Array): Promise<void>;
  cut(length: number): Promise<void>;
  sync(): Promise<void>;
}

type Line =
  LogRecord | { readonly kind: 'owner'; readonly owner: Owner } | { readonly kind: 'retire'; readonly where: string };

const CHECKSUM = 8;

/** A log as somebody else would write it, on something that is no folder: a line of JSON for each call, its checksum before it. */
export class StrangersLog implements LogStore {
  readonly #tape: Tape;
  #open = false;
  /** What the log holds, with calls that are not durable yet. */
  #ledger = new Ledger();
  readonly #entries = new Map<number, Entry>();
  #writing: Promise<void> = Promise.resolve();
  /** Why no call is taken any more. */
  #ended: KontikiError | undefined;

  constructor(tape: Tape) {
    this.#tape = tape;
  }

  async open(owner: Owner): Promise<LogState> {
    if (!this.#tape.take()) throw new KontikiError('KONTIKI_LOCKED', 'Another log has the tape.');
    try {
      [this.#ledger, this.#writing, this.#ended] = [new Ledger(), Promise.resolve(), undefined];
      this.#entries.clear();
      const bytes = await this.#tape.read();
      const whole = bytes.lastIndexOf(10) + 1;
      const lines = new TextDecoder().decode(bytes.subarray(0, whole)).split('\n').slice(0, -1);
      for (const line of lines) this.#do(parsed(line), owner);
      if (this.#ended !== undefined) throw this.#ended as KontikiError;
      const { committed, last } = this.#ledger.checkpoint;
      if (committed > last)
        throw new KontikiError('KONTIKI_LOST_DATA', `Entry ${committed} was committed, and is gone.`);
      const torn = bytes.length - whole;
      if (torn > 0) await this.#tape.cut(whole);
      if (whole === 0) await this.#tape.write(printed({ kind: 'owner', owner }));
      // What a crash of the process has left may not be durable yet.
      await this.#tape.sync();
      this.#open = true;
      return this.#ledger.state(
        torn > 0 ? [{ where: 'tape', offset: whole, bytes: torn, reason: 'a line is torn' }] : [],
      );
    } catch (error) {
      this.#tape.release();
      throw error;
    }
  }

  append(write: LogWrite): Promise<void> {
    const nothing = write.ballot === undefined && !write.entries?.length;
    return this.#call(nothing ? undefined : { kind: 'write', ...write });
  }

  reset(base: LogBase): Promise<void> {
    return this.#call({ kind: 'reset', base });
  }

  compact(base: LogBase): Promise<void> {
    return this.#call({ kind: 'compact', base });
  }

  retire(where: string): Promise<void> {
    return this.#call({ kind: 'retire', where });
  }

  async read(from: number, to: number, maxBytes: number): Promise<Entry[]> {
    this.#check();
    if (from <= this.#ledger.base.index) throw new KontikiError('KONTIKI_COMPACTED', `Entry ${from} is compacted.`);
    const page: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index += 1) {
      const entry = this.#entries.get(index);
      if (entry === undefined) break;
      bytes += entryBytes(entry);
      if (page.length > 0 && bytes > maxBytes) break;
      page.push(entry);
    }
    return page;
  }

  /** A tape does not say how much room it has left. */
  onFull(): void {}

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#writing.catch(() => {});
    this.#tape.release();
  }

  #check(): void {
    if (!this.#open) throw new KontikiError('KONTIKI_CLOSED', 'The log is not open.');
    if (this.#ended !== undefined) throw this.#ended;
  }

  /** Not async: what it returns is what `close` waits for. */
  #call(line: Line | undefined): Promise<void> {
    try {
      this.#check();
      if (line === undefined) return Promise.resolve();
      this.#do(line);
    } catch (error) {
      return Promise.reject(error as Error);
    }
    this.#writing = this.#writing.then(() => this.#write(line));
    return this.#writing;
  }

  async #write(line: Line): Promise<void> {
    try {
      await this.#tape.write(printed(line));
      await this.#tape.sync();
    } catch (cause) {
      throw (this.#ended = new KontikiError('KONTIKI_STORE_FAILED', 'The tape cannot be written.', { cause }));
    }
  }

  /** Does in memory what a line says; throws, and does nothing, if it doesn't fit. */
  #do(line: Line, owner?: Owner): void {
    if (line.kind === 'retire') {
      this.#ended = movedError('This tape', line.where);
      return;
    }
    if (line.kind === 'owner') {
      const { cluster, server } = line.owner;
      if (cluster === owner?.cluster && server === owner.server) return;
      throw new KontikiError('KONTIKI_FOREIGN_DATA', `This is the log of ${server} in ${cluster}.`);
    }
    this.#ledger.apply(line);
    if (line.kind === 'write') {
      const { entries = [] } = line;
      for (let index = entries[0]?.index ?? Infinity; this.#entries.delete(index); index += 1);
      for (const entry of entries) this.#entries.set(entry.index, entry);
    } else if (line.kind === 'reset') this.#entries.clear();
    else for (let { index } = line.base; this.#entries.delete(index); index -= 1);
  }
}

function printed(line: Line): Uint8Array {
  const json = toJson(line);
  return new TextEncoder().encode(`${checksum(json)}${json}\n`);
}

function parsed(line: string): Line {
  const json = line.slice(CHECKSUM);
  if (line.slice(0, CHECKSUM) !== checksum(json))
    throw new KontikiError('KONTIKI_CORRUPT', `A line is damaged: ${line.slice(0, 40)}`);
  return fromJson(json) as Line;
}

function checksum(json: string): string {
  return crc32(new TextEncoder().encode(json)).toString(16).padStart(CHECKSUM, '0');
}
