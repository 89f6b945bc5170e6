import { isId } from '../id.js';
import type { Ballot } from '../log/ballot.js';
import type { LogBase, LogWrite } from '../ports/log-store.js';
import { membershipLength, readMembership, writeMembership } from '../wire/membership.js';
import { protocolError, type Reader } from '../wire/reader.js';
import { textLength, type Writer } from '../wire/writer.js';

/** A call that changes a log, in the form that stores encode. */
export type LogRecord =
  | ({ readonly kind: 'write' } & LogWrite)
  | { readonly kind: 'reset'; readonly base: LogBase }
  | { readonly kind: 'compact'; readonly base: LogBase };

const HAS_BALLOT = 1;
const HAS_VOTE = 2;
const HAS_MEMBERSHIP = 8;
const HAS_GENESIS = 16;

/**
 * Returns the number of bytes of an encoded ballot: the term (8), then the candidate if there is a
 * vote.
 */
export function ballotLength(ballot: Ballot | undefined): number {
  if (ballot === undefined) return 0;
  return 8 + (ballot.votedFor === undefined ? 0 : textLength(ballot.votedFor));
}

/**
 * Returns the flags of a ballot: 1 if there is a ballot, 2 if the ballot has a vote. Callers may
 * use the other bits of the byte.
 */
export function ballotFlags(ballot: Ballot | undefined): number {
  if (ballot === undefined) return 0;
  return ballot.votedFor === undefined ? HAS_BALLOT : HAS_BALLOT | HAS_VOTE;
}

export function writeBallot(writer: Writer, ballot: Ballot | undefined): void {
  if (ballot === undefined) return;
  writer.u53(ballot.term);
  if (ballot.votedFor !== undefined) writer.text(ballot.votedFor);
}

export function readBallot(reader: Reader, flags: number): Ballot | undefined {
  if ((flags & HAS_BALLOT) === 0) return undefined;
  const term = reader.u53();
  if ((flags & HAS_VOTE) === 0) return { term, votedFor: undefined };
  const votedFor = reader.text(64);
  if (!isId(votedFor)) throw protocolError(`${JSON.stringify(votedFor)} is not the id of a candidate.`);
  return { term, votedFor };
}

/**
 * Returns the number of bytes of an encoded base: flags (1), index and term (8 each), the
 * membership and its index, and the genesis (4).
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
