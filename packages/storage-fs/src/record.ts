import type { Entry } from '@kontiki/core';
import {
  ballotFlags,
  ballotLength,
  baseLength,
  readBallot,
  readBase,
  writeBallot,
  writeBase,
  type Checkpoint,
  type LogRecord,
} from '@kontiki/core/store';
import { entriesLength, protocolError, readEntries, writeEntries, type Reader, type Writer } from '@kontiki/core/wire';

const KIND = { write: 1, reset: 2, compact: 3 } as const;
/** Flag for a write with entries, in the same byte as the flags of its ballot. */
const HAS_ENTRIES = 4;

/**
 * Returns the length of an encoded record. A record consists of its kind (1 byte) and either a base
 * or a write. A write consists of flags (1), committed (8), ballot, first index (8) and entries.
 */
export function recordLength(record: LogRecord): number {
  if (record.kind !== 'write') return 1 + baseLength(record.base);
  const { ballot, entries = [] } = record;
  return 10 + ballotLength(ballot) + (entries.length === 0 ? 0 : 8 + entriesLength(entries));
}

export function writeRecord(writer: Writer, record: LogRecord): void {
  writer.u8(KIND[record.kind]);
  if (record.kind !== 'write') return writeBase(writer, record.base);
  const { ballot, entries = [], committed = 0 } = record;
  const [first] = entries;
  writer.u8(ballotFlags(ballot) | (first === undefined ? 0 : HAS_ENTRIES));
  writer.u53(committed);
  writeBallot(writer, ballot);
  if (first === undefined) return;
  writer.u53(first.index);
  writeEntries(writer, entries);
}

export function readRecord(reader: Reader): LogRecord {
  const kind = reader.u8();
  if (kind === KIND.reset) return { kind: 'reset', base: readBase(reader) };
  if (kind === KIND.compact) return { kind: 'compact', base: readBase(reader) };
  if (kind !== KIND.write) throw new TypeError(`a record has the unknown kind ${kind}`);
  const flags = reader.u8();
  const committed = reader.u53();
  const ballot = readBallot(reader, flags);
  const entries: Entry[] = (flags & HAS_ENTRIES) === 0 ? [] : readEntries(reader, reader.u53(), 0);
  return { kind: 'write', ballot, entries, committed };
}

export function checkpointLength({ ballot, base }: Checkpoint): number {
  return 1 + 16 + ballotLength(ballot) + baseLength(base) + 4;
}

export function writeCheckpoint(writer: Writer, { ballot, base, last, committed, genesis }: Checkpoint): void {
  writer.u8(ballotFlags(ballot));
  writer.u53(last);
  writer.u53(committed);
  writeBallot(writer, ballot);
  writeBase(writer, base);
  writer.u32(genesis ?? 0);
}

export function readCheckpoint(reader: Reader): Checkpoint {
  const flags = reader.u8();
  const last = reader.u53();
  const committed = reader.u53();
  const ballot = readBallot(reader, flags);
  const base = readBase(reader);
  if (last < base.index) throw protocolError(`A log that begins after entry ${base.index} ends at entry ${last}.`);
  return { ballot, base, last, committed, genesis: reader.u32() || undefined };
}
