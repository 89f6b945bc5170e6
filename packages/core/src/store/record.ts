import { isId } from '../id.js';
import type { Ballot } from '../log/ballot.js';
import type { StoreLife } from '../log/store-life.js';
import type { LogBase, LogWrite } from '../ports/log-store.js';
import { membershipLength, readMembership, writeMembership } from '../wire/membership.js';
import { protocolError, type Reader } from '../wire/reader.js';
import { textLength, type Writer } from '../wire/writer.js';

/** A change to a log, in the form in which stores encode it. */
export type LogRecord =
  | ({ readonly kind: 'write' } & LogWrite)
  | { readonly kind: 'reset'; readonly base: LogBase }
  | { readonly kind: 'compact'; readonly base: LogBase };

const HAS_BALLOT = 1;
const HAS_VOTE = 2;
const HAS_MEMBERSHIP = 8;
const HAS_GENESIS = 16;
const HAS_LIFE = 32;

/**
 * A server's data that must survive a crash: its newest ballot, and its store's identity and number
 * of starts.
 */
export interface Vitals {
  readonly ballot?: Ballot | undefined;
  readonly life?: StoreLife | undefined;
}

/**
 * Returns the encoded size of vitals in bytes. They consist of the term (8 bytes), the candidate if
 * there is a vote, and the store's id and number of starts (8 each).
 */
export function vitalsLength({ ballot, life }: Vitals): number {
  const term = ballot === undefined ? 0 : 8;
  return term + (ballot?.votedFor === undefined ? 0 : textLength(ballot.votedFor)) + (life === undefined ? 0 : 16);
}

/**
 * Returns the flags of vitals: 1 for a ballot, 2 for a ballot with a vote, 32 for a life. Callers
 * may use the remaining bits of the byte.
 */
export function vitalsFlags({ ballot, life }: Vitals): number {
  const vote = ballot?.votedFor === undefined ? 0 : HAS_VOTE;
  return (ballot === undefined ? 0 : HAS_BALLOT | vote) | (life === undefined ? 0 : HAS_LIFE);
}

export function writeVitals(writer: Writer, { ballot, life }: Vitals): void {
  if (ballot !== undefined) writer.u53(ballot.term);
  if (ballot?.votedFor !== undefined) writer.text(ballot.votedFor);
  if (life === undefined) return;
  writer.u53(life.id);
  writer.u53(life.starts);
}

export function readVitals(reader: Reader, flags: number): Required<Vitals> {
  return { ballot: readBallot(reader, flags), life: (flags & HAS_LIFE) === 0 ? undefined : readLife(reader) };
}

function readBallot(reader: Reader, flags: number): Ballot | undefined {
  if ((flags & HAS_BALLOT) === 0) return undefined;
  const term = reader.u53();
  if ((flags & HAS_VOTE) === 0) return { term, votedFor: undefined };
  const votedFor = reader.text(64);
  if (!isId(votedFor)) throw protocolError(`${JSON.stringify(votedFor)} is not the id of a candidate.`);
  return { term, votedFor };
}

function readLife(reader: Reader): StoreLife {
  const life = { id: reader.u53(), starts: reader.u53() };
  if (life.id === 0 || life.starts === 0) throw protocolError(`A log has the id ${life.id} and ${life.starts} starts.`);
  return life;
}

/**
 * Returns the encoded size of a base in bytes. It consists of flags (1 byte), index and term (8
 * each), the membership and its index, and the genesis (4).
 */
export function baseLength({ membership, genesis }: LogBase): number {
  return (
    17 + (membership === undefined ? 0 : 8 + membershipLength(membership.membership)) + (genesis === undefined ? 0 : 4)
  );
}

export function writeBase(writer: Writer, { index, term, membership, genesis }: LogBase): void {
  writer.u8((membership === undefined ? 0 : HAS_MEMBERSHIP) | (genesis === undefined ? 0 : HAS_GENESIS));
  writer.u53(index);
  writer.u53(term);
  if (membership !== undefined) {
    writer.u53(membership.index);
    writeMembership(writer, membership.membership);
  }
  if (genesis !== undefined) writer.u32(genesis);
}

export function readBase(reader: Reader): LogBase {
  const flags = reader.u8();
  const position = { index: reader.u53(), term: reader.u53() };
  if ((position.index === 0) !== (position.term === 0))
    throw protocolError(`A log cannot begin after index ${position.index} and term ${position.term}.`);
  const membership =
    (flags & HAS_MEMBERSHIP) === 0 ? undefined : { index: reader.u53(), membership: readMembership(reader) };
  if (membership !== undefined && !(membership.index > 0 && membership.index <= position.index))
    throw protocolError(
      `A log that begins after entry ${position.index} has a membership of entry ${membership.index}.`,
    );
  return { ...position, membership, genesis: (flags & HAS_GENESIS) === 0 ? undefined : reader.u32() };
}
