import { isKontikiError } from '../errors.js';
import type { SnapshotMeta } from '../log/snapshot-meta.js';
import type { HeartbeatReply, Message, ProposalRefusal, Unreadable } from '../protocol/message.js';
import { upTo } from './position.js';
import { protocolError, type Reader } from './reader.js';
import { metaOf, readSnapshotHead } from './snapshot-head.js';
import type { Writer } from './writer.js';

// Message fields that need additional checks.

/** The reasons in replies to forwarded proposals, indexed by the number that encodes them. */
const REFUSALS: readonly (ProposalRefusal | undefined)[] = [
  undefined,
  'notLeader',
  'transferring',
  'overloaded',
  'diskFull',
];

/**
 * Reads the head of a snapshot. Throws if the snapshot ends in a later term than the sender's
 * `term`.
 */
export function snapshotMeta(reader: Reader, term: number): SnapshotMeta {
  const head = reader.raw(reader.u32());
  try {
    const found = readSnapshotHead(head);
    const { last, length } = found;
    if (length !== head.length) throw protocolError(`${head.length - length} bytes follow the head of a snapshot.`);
    upTo(term, last.term);
    return metaOf(found);
  } catch (error) {
    if (isKontikiError(error, 'KONTIKI_FORMAT')) throw error;
    throw protocolError('A message offers a snapshot whose head cannot be decoded.', error);
  }
}

/** Returns the `Unreadable` for a message from a newer version. Rethrows any other error. */
export function unreadable(from: Pick<Message, 'term' | 'incarnation'>, error: unknown, index?: number): Unreadable {
  if (!isKontikiError(error, 'KONTIKI_FORMAT')) throw error;
  const reason = error.message;
  return { kind: 'unreadable', ...from, ...(index === undefined ? {} : { index }), reason };
}

const SNAPSHOT_ID = /^[0-9a-f]{32}$/;

/** Reads a snapshot id and checks it, because a store may use the id in a file name. */
export function snapshotId(reader: Reader): string {
  const id = reader.text(32);
  if (!SNAPSHOT_ID.test(id)) throw protocolError(`${JSON.stringify(id)} is not a snapshot id.`);
  return id;
}

/**
 * Reads a term. Throws for the largest safe integer, because a server in that term could never
 * campaign again.
 */
export function termOf(reader: Reader): number {
  const term = reader.u53();
  if (term === Number.MAX_SAFE_INTEGER)
    throw protocolError(`A message has term ${term}, which no higher term could follow.`);
  return term;
}

export function writeRefusal(writer: Writer, refused: ProposalRefusal | undefined): void {
  writer.u8(REFUSALS.indexOf(refused));
}

export function refusal(reader: Reader): ProposalRefusal | undefined {
  const number = reader.u8();
  if (number >= REFUSALS.length) throw protocolError(`A message names the unknown refusal ${number}.`);
  return REFUSALS[number];
}

export function lifeOf(reader: Reader): Pick<Message, 'store' | 'starts'> {
  const [store, starts] = [reader.u53(), reader.u53()];
  if ((store === 0) !== (starts === 0)) throw protocolError(`A message names store ${store} with ${starts} starts.`);
  return store === 0 ? {} : { store, starts };
}

export function levelsOf(reader: Reader): Pick<HeartbeatReply, 'level' | 'behavior'> {
  const [level, behavior] = [reader.u8(), reader.u32()];
  return { ...(level > 0 ? { level } : {}), ...(behavior > 0 ? { behavior } : {}) };
}

export function incarnation(reader: Reader): number {
  const value = reader.u53();
  if (value === 0) throw protocolError('A message carries no incarnation.');
  return value;
}
