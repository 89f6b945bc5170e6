import type { Entry } from '@kontiki/core';
import {
  baseLength,
  readBase,
  readVitals,
  vitalsFlags,
  vitalsLength,
  writeBase,
  writeVitals,
  type Checkpoint,
  type LogRecord,
} from '@kontiki/core/store';
import { entriesLength, protocolError, readEntries, writeEntries, type Reader, type Writer } from '@kontiki/core/wire';

const KIND = { write: 1, reset: 2, compact: 3 } as const;
/**
 * The flag for a write that contains entries. It is in the same byte as the flags of the write's
 * vitals.
 */
const HAS_ENTRIES = 4;

/**
 * Returns the encoded size of a record in bytes. A record consists of its kind (1 byte) and either
 * a base or a write. A write consists of flags (1), committed (8), vitals, first index (8) and
 * entries.
 */
export function recordLength(record: LogRecord): number {
  if (record.kind !== 'write') return 1 + baseLength(record.base);
  const { entries = [] } = record;
  return 10 + vitalsLength(record) + (entries.length === 0 ? 0 : 8 + entriesLength(entries));
}

export function writeRecord(writer: Writer, record: LogRecord): void {
  writer.u8(KIND[record.kind]);
  if (record.kind !== 'write') return writeBase(writer, record.base);
  const { entries = [], committed = 0 } = record;
  const [first] = entries;
  writer.u8(vitalsFlags(record) | (first === undefined ? 0 : HAS_ENTRIES));
  writer.u53(committed);
  writeVitals(writer, record);
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
  const vitals = readVitals(reader, flags);
  const entries: Entry[] = (flags & HAS_ENTRIES) === 0 ? [] : readEntries(reader, reader.u53(), 0);
  return { kind: 'write', ...vitals, entries, committed };
}

export function checkpointLength(checkpoint: Checkpoint): number {
  return 1 + 16 + vitalsLength(checkpoint) + baseLength(checkpoint.base) + 4;
}

export function writeCheckpoint(writer: Writer, checkpoint: Checkpoint): void {
  const { base, last, committed, genesis } = checkpoint;
  writer.u8(vitalsFlags(checkpoint));
  writer.u53(last);
  writer.u53(committed);
  writeVitals(writer, checkpoint);
  writeBase(writer, base);
  writer.u32(genesis ?? 0);
}

export function readCheckpoint(reader: Reader): Checkpoint {
  const flags = reader.u8();
  const last = reader.u53();
  const committed = reader.u53();
  const vitals = readVitals(reader, flags);
  const base = readBase(reader);
  if (last < base.index) throw protocolError(`A log that begins after entry ${base.index} ends at entry ${last}.`);
  return { ...vitals, base, last, committed, genesis: reader.u32() || undefined };
}
