import type { Ballot, Entry, LogBase, LogWrite } from '@kontiki/core';
import {
  entriesLength,
  membershipLength,
  readEntries,
  readMembership,
  textLength,
  writeEntries,
  writeMembership,
  type Reader,
  type Writer,
} from '@kontiki/core/wire';

/** One call of the log's owner, as it stands in a batch. */
export type Record =
  | ({ readonly kind: 'write' } & LogWrite)
  | { readonly kind: 'reset'; readonly base: LogBase }
  | { readonly kind: 'compact'; readonly base: LogBase };

const KIND = { write: 1, reset: 2, compact: 3 } as const;
const HAS_BALLOT = 1;
const HAS_VOTE = 2;
const HAS_ENTRIES = 4;
const HAS_MEMBERSHIP = 8;
const HAS_ORIGIN = 16;

/** term (8 bytes), then the candidate if there is one. */
function ballotLength(ballot: Ballot | undefined): number {
  if (ballot === undefined) return 0;
  return 8 + (ballot.votedFor === undefined ? 0 : textLength(ballot.votedFor));
}

function ballotFlags(ballot: Ballot | undefined): number {
  if (ballot === undefined) return 0;
  return ballot.votedFor === undefined ? HAS_BALLOT : HAS_BALLOT | HAS_VOTE;
}

function writeBallot(writer: Writer, ballot: Ballot | undefined): void {
  if (ballot === undefined) return;
  writer.u53(ballot.term);
  if (ballot.votedFor !== undefined) writer.text(ballot.votedFor);
}

function readBallot(reader: Reader, flags: number): Ballot | undefined {
  if ((flags & HAS_BALLOT) === 0) return undefined;
  return { term: reader.u53(), votedFor: (flags & HAS_VOTE) === 0 ? undefined : reader.text(64) };
}

/** flags (1 byte), index, term (8 each), the membership and its index, the origin (4). */
function baseLength({ membership, origin }: LogBase): number {
  return (
    17 + (membership === undefined ? 0 : 8 + membershipLength(membership.membership)) + (origin === undefined ? 0 : 4)
  );
}

function writeBase(writer: Writer, { index, term, membership, origin }: LogBase): void {
  writer.u8((membership === undefined ? 0 : HAS_MEMBERSHIP) | (origin === undefined ? 0 : HAS_ORIGIN));
  writer.u53(index);
  writer.u53(term);
  if (membership !== undefined) {
    writer.u53(membership.index);
    writeMembership(writer, membership.membership);
  }
  if (origin !== undefined) writer.u32(origin);
}

function readBase(reader: Reader): LogBase {
  const flags = reader.u8();
  const position = { index: reader.u53(), term: reader.u53() };
  const membership =
    (flags & HAS_MEMBERSHIP) === 0 ? undefined : { index: reader.u53(), membership: readMembership(reader) };
  return { ...position, membership, origin: (flags & HAS_ORIGIN) === 0 ? undefined : reader.u32() };
}

/** Bytes of a record: kind (1), then of a write: flags (1), committed (8), ballot, first index (8) and entries. */
export function recordLength(record: Record): number {
  if (record.kind !== 'write') return 1 + baseLength(record.base);
  const { ballot, entries = [] } = record;
  return 10 + ballotLength(ballot) + (entries.length === 0 ? 0 : 8 + entriesLength(entries));
}

export function writeRecord(writer: Writer, record: Record): void {
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

export function readRecord(reader: Reader): Record {
  const kind = reader.u8();
  if (kind === KIND.reset) return { kind: 'reset', base: readBase(reader) };
  if (kind === KIND.compact) return { kind: 'compact', base: readBase(reader) };
  if (kind !== KIND.write) throw new TypeError(`a record is of the unknown kind ${kind}`);
  const flags = reader.u8();
  const committed = reader.u53();
  const ballot = readBallot(reader, flags);
  const entries: Entry[] = (flags & HAS_ENTRIES) === 0 ? [] : readEntries(reader, reader.u53(), 0);
  return { kind: 'write', ballot, entries, committed };
}

/** What a segment begins with: the state of the log when it was begun, so that older segments can go. */
export interface Checkpoint {
  readonly ballot: Ballot | undefined;
  readonly base: LogBase;
  readonly last: number;
  readonly committed: number;
  readonly origin: number | undefined;
}

export function checkpointLength({ ballot, base }: Checkpoint): number {
  return 1 + 16 + ballotLength(ballot) + baseLength(base) + 4;
}

export function writeCheckpoint(writer: Writer, { ballot, base, last, committed, origin }: Checkpoint): void {
  writer.u8(ballotFlags(ballot));
  writer.u53(last);
  writer.u53(committed);
  writeBallot(writer, ballot);
  writeBase(writer, base);
  writer.u32(origin ?? 0);
}

export function readCheckpoint(reader: Reader): Checkpoint {
  const flags = reader.u8();
  const last = reader.u53();
  const committed = reader.u53();
  const ballot = readBallot(reader, flags);
  const base = readBase(reader);
  return { ballot, base, last, committed, origin: reader.u32() || undefined };
}
