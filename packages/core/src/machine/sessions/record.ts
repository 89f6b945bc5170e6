import { protocolError, Reader, Writer } from '../../wire/index.js';

/** A record that opens a session. */
export interface OpenRecord {
  readonly kind: 'open';
  /** The number of the session, drawn at random by its client. */
  readonly session: number;
  readonly limits: SessionLimits;
}

/** A command of a session. */
export interface CallRecord {
  readonly kind: 'call';
  readonly session: number;
  /** The number of the command in its session, from 1 on. A retry has the same number. */
  readonly sequence: number;
  /**
   * The sequence number up to which the client will not retry any command. The servers forget the
   * results of these commands.
   */
  readonly settled: number;
  /** The command for the state machine. */
  readonly command: Uint8Array;
}

/**
 * A command without a session, which could be mistaken for a session record if it were proposed as
 * it is.
 */
interface PlainRecord {
  readonly kind: 'plain';
  readonly command: Uint8Array;
}

export type SessionRecord = OpenRecord | CallRecord | PlainRecord;

/**
 * Limits of sessions. They are part of the log, because all servers must forget sessions and
 * results at the same entry.
 */
export interface SessionLimits {
  /**
   * Milliseconds of log time after which an unused session ends. Default 600,000 (ten minutes).
   */
  readonly ttl: number;
  /**
   * Maximum number of sessions of all clients. Another session ends the least recently used one.
   * Default 1,024.
   */
  readonly sessions: number;
  /**
   * Maximum size of the results that are kept for one session, in characters of their encoding. Each
   * result counts 64 more. Default 65,536.
   */
  readonly resultBytes: number;
}

export const defaultSessionLimits: SessionLimits = { ttl: 600_000, sessions: 1_024, resultBytes: 65_536 };

/**
 * The first bytes of session records in log entries. No UTF-8 text contains these bytes, and the
 * records of defined state machines begin with other bytes. A command without a session that begins
 * with one of them is proposed as a plain record.
 */
const KIND = { open: 0xf8, call: 0xf9, plain: 0xfa } as const;

/** Number of free bytes that a command needs in front of it, for the head of a session record. */
export const CALL_HEAD = 25;

/** Encodes a record that opens a session: kind (1 byte), session (8), and its limits (8 each). */
export function encodeOpen({ session, limits }: Omit<OpenRecord, 'kind'>): Uint8Array {
  const writer = new Writer(33);
  writer.u8(KIND.open);
  writer.u53(session);
  writer.u53(limits.ttl);
  writer.u53(limits.sessions);
  writer.u53(limits.resultBytes);
  return writer.bytes;
}

/**
 * Writes the head of a session record: kind (1 byte), session, sequence and settled (8 each).
 * `record` has `CALL_HEAD` free bytes for the head, and then the command.
 */
export function writeCallHead(record: Uint8Array, session: number, sequence: number, settled: number): void {
  const writer = new Writer(record.length, record);
  writer.u8(KIND.call);
  writer.u53(session);
  writer.u53(sequence);
  writer.u53(settled);
}

/**
 * Returns the bytes to propose for a command without a session, which follows `CALL_HEAD` free bytes
 * in `record`.
 */
export function plainRecord(record: Uint8Array): Uint8Array {
  const first = record[CALL_HEAD] ?? 0;
  if (first < KIND.open || first > KIND.plain) return record.subarray(CALL_HEAD);
  record[CALL_HEAD - 1] = KIND.plain;
  return record.subarray(CALL_HEAD - 1);
}

/**
 * Returns the command in an entry of a node with a `SessionMachine`, for consumers of
 * `RaftNode.committed`. Returns undefined if the entry opens a session. The entries of retries hold
 * the same command again, although it was applied once.
 */
export function commandOf(data: Uint8Array): Uint8Array | undefined {
  const record = decodeSessionRecord(data);
  if (record === undefined) return data;
  return record.kind === 'open' ? undefined : record.command;
}

/**
 * Decodes a session record. Returns undefined for a command without a session. Throws
 * `KONTIKI_PROTOCOL` if a session record is invalid.
 */
export function decodeSessionRecord(data: Uint8Array): SessionRecord | undefined {
  const kind = data[0];
  if (kind === KIND.plain) return { kind: 'plain', command: data.subarray(1) };
  if (kind !== KIND.open && kind !== KIND.call) return undefined;
  const reader = new Reader(data);
  reader.u8();
  const session = reader.u53();
  if (kind === KIND.call) {
    const [sequence, settled] = [reader.u53(), reader.u53()];
    if (settled >= sequence) throw protocolError(`Command ${sequence} of a session cannot follow ${settled}.`);
    return { kind: 'call', session, sequence, settled, command: reader.raw(reader.left) };
  }
  const limits = { ttl: reader.u53(), sessions: reader.u53(), resultBytes: reader.u53() };
  reader.end();
  if (limits.sessions === 0) throw protocolError('A session allows no sessions.');
  return { kind: 'open', session, limits };
}
