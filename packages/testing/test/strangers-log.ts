import { KontikiError, type Entry, type Owner } from '@kontiki/core';
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
import { fromJson, toJson } from './json.js';

/** A medium that stores bytes sequentially. */
export interface Tape {
  /** Locks the tape. Returns false if another log has locked it. */
  take(): boolean;
  release(): void;
  read(): Promise<Uint8Array>;
  /** Appends bytes. */
  write(bytes: Uint8Array): Promise<void>;
  cut(length: number): Promise<void>;
  sync(): Promise<void>;
}

type Line =
  LogRecord | { readonly kind: 'owner'; readonly owner: Owner } | { readonly kind: 'retire'; readonly where: string };

const CHECKSUM = 8;

/**
 * A log as a user might write it, on a medium other than a folder. Each record is one line with a
 * checksum and JSON.
 */
export class StrangersLog extends AbstractLog {
  readonly #tape: Tape;
  readonly #entries = new Map<number, Entry>();

  constructor(tape: Tape) {
    super();
    this.#tape = tape;
  }

  protected override get _where(): string {
    return 'the tape';
  }

  protected override async _open(owner: Owner): Promise<OpenedLog> {
    if (!this.#tape.take()) throw new KontikiError('KONTIKI_LOCKED', 'Another log uses the tape.');
    try {
      this.#entries.clear();
      const tracker = new LogStateTracker();
      const bytes = await this.#tape.read();
      const whole = bytes.lastIndexOf(10) + 1;
      const lines = new TextDecoder().decode(bytes.subarray(0, whole)).split('\n').slice(0, -1).map(parsed);
      for (const line of lines) {
        if (line.kind === 'owner') checkOwner('The tape', line.owner, owner);
        else if (line.kind === 'retire') throw movedError('The tape', line.where);
        else {
          tracker.apply(line);
          this.#keep(line);
        }
      }
      const torn = bytes.length - whole;
      if (torn > 0) await this.#tape.cut(whole);
      if (whole === 0) await this.#tape.write(printed({ kind: 'owner', owner }));
      // After a process crash, the lines that were just read may not be durable yet.
      await this.#tape.sync();
      return {
        tracker,
        repairs: torn > 0 ? [{ where: 'tape', offset: whole, bytes: torn, reason: 'a torn line' }] : [],
      };
    } catch (error) {
      this.#tape.release();
      throw error;
    }
  }

  protected override async _write(records: readonly LogRecord[]): Promise<void> {
    for (const record of records) await this.#tape.write(printed(record));
    await this.#tape.sync();
    for (const record of records) this.#keep(record);
  }

  protected override async _read(from: number, to: number): Promise<readonly Entry[]> {
    return Array.from({ length: to - from + 1 }, (_, i) => this.#entries.get(from + i) as Entry);
  }

  protected override async _retire(where: string): Promise<void> {
    await this.#tape.write(printed({ kind: 'retire', where }));
    await this.#tape.sync();
  }

  protected override async _close(): Promise<void> {
    this.#tape.release();
  }

  #keep(record: LogRecord): void {
    if (record.kind === 'write') {
      for (const entry of record.entries ?? []) this.#entries.set(entry.index, entry);
    } else if (record.kind === 'reset') this.#entries.clear();
    else for (let { index } = record.base; this.#entries.delete(index); index -= 1);
  }
}

function printed(line: Line): Uint8Array {
  const json = toJson(line);
  return new TextEncoder().encode(`${checksum(json)}${json}\n`);
}

function parsed(line: string): Line {
  const json = line.slice(CHECKSUM);
  if (line.slice(0, CHECKSUM) !== checksum(json)) throw corruptData('The tape', `line ${line.slice(0, 40)} is damaged`);
  return fromJson(json) as Line;
}

function checksum(json: string): string {
  return crc32(new TextEncoder().encode(json)).toString(16).padStart(CHECKSUM, '0');
}
