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

export type Kept = string | typeof DROPPED | typeof PENDING;

/** A session of a client, and the results that the client may still ask for. */
export interface Session {
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
  #time: number;

  constructor(time = 0) {
    this.#time = time;
  }

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

  /** Returns a copy of the sessions, which later commands do not change. */
  copy(): { readonly time: number; readonly sessions: readonly Session[] } {
    const sessions = [...this.#sessions.values()];
    return { time: this.#time, sessions: sessions.map((one) => ({ ...one, results: new Map(one.results) })) };
  }

  /** Adds a session from a snapshot. Returns false if there is another session with its number. */
  add(session: Omit<Session, 'forgotten' | 'bytes'>): boolean {
    if (this.#sessions.has(session.id)) return false;
    let bytes = 0;
    for (const kept of session.results.values()) if (typeof kept === 'string') bytes += OVERHEAD + kept.length;
    this.#sessions.set(session.id, { ...session, forgotten: session.settled, bytes });
    return true;
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
