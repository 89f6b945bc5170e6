import { protocolError, Reader, Writer } from '../../wire/index.js';
import type { CallRecord, OpenRecord } from './record.js';

/**
 * Maximum difference between a sequence number and the settled one, which limits how many results
 * a session may have to remember. All versions must use the same number, because it decides which
 * commands are applied.
 */
export const MAX_UNSETTLED = 1_024;

/** A result that was too large to be kept, or that cannot be encoded. */
export const DROPPED: unique symbol = Symbol('dropped');
/** Marks a command whose result is not known yet, because its batch is being applied. */
const PENDING: unique symbol = Symbol('pending');

type Kept = string | typeof DROPPED | typeof PENDING;

/** A session of a client, and the results that the client may still ask for. */
interface Session {
  readonly id: number;
  readonly ttl: number;
  readonly resultBytes: number;
  /** The log time of the last command. */
  used: number;
  settled: number;
  /** The sequence number up to which results were forgotten. */
  forgotten: number;
  /** The encoded results of unsettled commands by sequence number. */
  readonly results: Map<number, Kept>;
  /** Bytes of these results. */
  bytes: number;
}

/** The decision about a command of an open session. */
export interface Admission {
  /**
   * - `apply`: the command is new
   * - `repeat`: the command was applied before
   * - `refused`: the client has settled this command, or has too many unsettled ones
   */
  readonly kind: 'apply' | 'repeat' | 'refused';
  readonly session: Session;
  readonly sequence: number;
  /** The settled sequence number of the session at this command. */
  readonly settled: number;
}

/** Estimated overhead of a kept result in bytes. */
const OVERHEAD = 64;

/**
 * The sessions of all clients. The contents depend only on the log, so they are equal on all
 * servers that have applied the same entries, however the entries were divided into batches. So the
 * first pass over a batch (`open`, `admit`) does not look at results, and each step of the second
 * pass (`forget`, `keep`, `recall`) touches only one session, in log order.
 */
export class SessionTable {
  /** Sessions by id, the least recently used first. */
  readonly #sessions = new Map<number, Session>();
  /** The most recently used session. */
  #newest: Session | undefined;
  /** The highest log time of an applied entry. */
  #time = 0;

  /** Whether no session has ever been opened. */
  get isUnused(): boolean {
    return this.#sessions.size === 0 && this.#time === 0;
  }

  /** Opens a session at a log time. Returns false if the number is taken. */
  open({ session: id, limits }: OpenRecord, time: number): boolean {
    this.#advance(time);
    for (const session of this.#sessions.values()) {
      if (this.#sessions.size < limits.sessions && !this.#hasExpired(session)) break;
      this.#end(session);
    }
    if (this.#sessions.has(id)) return false;
    const { ttl, resultBytes } = limits;
    this.#newest = { id, ttl, resultBytes, used: this.#time, ...unused() };
    this.#sessions.set(id, this.#newest);
    return true;
  }

  /**
   * Decides about a command of a session at a log time. Returns undefined if the session has ended,
   * or was never opened.
   */
  admit({ session: id, sequence, settled: upTo }: CallRecord, time: number): Admission | undefined {
    this.#advance(time);
    const session = this.#newest?.id === id ? this.#newest : this.#sessions.get(id);
    if (session === undefined) return undefined;
    if (this.#hasExpired(session)) {
      this.#end(session);
      return undefined;
    }
    if (session !== this.#newest) {
      // Move the session to the end of the map.
      this.#sessions.delete(id);
      this.#sessions.set(id, session);
      this.#newest = session;
    }
    session.used = this.#time;
    session.settled = Math.max(session.settled, upTo);
    const { settled, results } = session;
    const isValid = sequence > settled && sequence <= settled + MAX_UNSETTLED;
    const isKnown = isValid && results.has(sequence);
    if (isValid && !isKnown) results.set(sequence, PENDING);
    return { kind: isKnown ? 'repeat' : isValid ? 'apply' : 'refused', session, sequence, settled };
  }

  /** Forgets the results of the commands that were settled when a command was admitted. */
  forget({ session, settled }: Admission): void {
    const { results, forgotten } = session;
    if (settled <= forgotten) return;
    session.forgotten = settled;
    // A client may settle any number of commands at once.
    if (settled - forgotten <= results.size)
      for (let sequence = forgotten + 1; sequence <= settled; sequence += 1) drop(session, sequence);
    else for (const sequence of results.keys()) if (sequence <= settled) drop(session, sequence);
  }

  /** Keeps the encoded result of an admitted command, if it is not too large. */
  keep({ session, sequence }: Admission, result: string | typeof DROPPED): void {
    const bytes = OVERHEAD + (result === DROPPED ? 0 : result.length);
    const fits = result !== DROPPED && session.bytes + bytes <= session.resultBytes;
    session.results.set(sequence, fits ? result : DROPPED);
    if (fits) session.bytes += bytes;
  }

  /** Returns the encoded result of a command that was applied before. */
  recall({ session, sequence }: Admission): string | typeof DROPPED {
    const kept = session.results.get(sequence);
    return typeof kept === 'string' ? kept : DROPPED;
  }

  /**
   * Encodes all sessions: the log time (8 bytes), the number of sessions (4), and for each session
   * its id, ttl, limit of bytes, time of last use, settled number (8 each), and the number of
   * results (4). Each result has its sequence number (8), and the length (4) and bytes of its
   * UTF-8 text. The highest length means that the result was dropped.
   */
  encode(): Uint8Array {
    const utf8 = new TextEncoder();
    const parts: { readonly session: Session; readonly results: [number, Uint8Array | undefined][] }[] = [];
    let length = 12;
    for (const session of this.#sessions.values()) {
      const results: [number, Uint8Array | undefined][] = [];
      for (const [sequence, kept] of session.results) {
        const text = typeof kept === 'string' ? utf8.encode(kept) : undefined;
        results.push([sequence, text]);
        length += 12 + (text?.length ?? 0);
      }
      parts.push({ session, results });
      length += 44;
    }
    const writer = new Writer(length);
    writer.u53(this.#time);
    writer.u32(parts.length);
    for (const { session, results } of parts) {
      const { id, ttl, resultBytes, used, settled } = session;
      for (const value of [id, ttl, resultBytes, used, settled]) writer.u53(value);
      writer.u32(results.length);
      for (const [sequence, text] of results) {
        writer.u53(sequence);
        writer.u32(text?.length ?? DROPPED_LENGTH);
        if (text !== undefined) writer.raw(text);
      }
    }
    return writer.bytes;
  }

  /** Returns the decoded sessions. Throws `KONTIKI_PROTOCOL` if the bytes are invalid. */
  static decode(bytes: Uint8Array): SessionTable {
    const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const table = new SessionTable();
    const reader = new Reader(bytes);
    table.#time = reader.u53();
    for (let left = reader.count(44); left > 0; left -= 1) {
      const [id, ttl, resultBytes, used, settled] = Array.from({ length: 5 }, () => reader.u53()) as FiveNumbers;
      const session: Session = { id, ttl, resultBytes, used, ...unused(), settled, forgotten: settled };
      for (let more = reader.count(12); more > 0; more -= 1) {
        const sequence = reader.u53();
        const size = reader.u32();
        const kept = size === DROPPED_LENGTH ? DROPPED : utf8.decode(reader.raw(size));
        session.results.set(sequence, kept);
        if (kept !== DROPPED) session.bytes += OVERHEAD + kept.length;
      }
      if (table.#sessions.has(id)) throw protocolError(`Session ${id} is listed twice.`);
      table.#sessions.set(id, session);
    }
    reader.end();
    return table;
  }

  /** Advances the log time, which never decreases. */
  #advance(time: number): void {
    this.#time = Math.max(this.#time, time);
  }

  #end(session: Session): void {
    this.#sessions.delete(session.id);
    if (session === this.#newest) this.#newest = undefined;
  }

  #hasExpired({ used, ttl }: Session): boolean {
    return this.#time - used > ttl;
  }
}

/** Returns the fields of a session without commands. */
function unused(): Pick<Session, 'settled' | 'forgotten' | 'results' | 'bytes'> {
  return { settled: 0, forgotten: 0, results: new Map(), bytes: 0 };
}

function drop(session: Session, sequence: number): void {
  const kept = session.results.get(sequence);
  if (typeof kept === 'string') session.bytes -= OVERHEAD + kept.length;
  session.results.delete(sequence);
}

type FiveNumbers = [number, number, number, number, number];
const DROPPED_LENGTH = 0xffff_ffff;
