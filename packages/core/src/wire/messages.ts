import type { Message } from '../protocol/message.js';
import { entriesLength, readEntries, writeEntries } from './entries.js';
import { protocolError, type Reader } from './reader.js';
import type { Writer } from './writer.js';

/**
 * A message: kind (1 byte), term and incarnation (8 each), then the fields of its kind in the order below, numbers in
 * 8 bytes and flags in 1. Kinds not named here are kept for later formats.
 */
const KIND = {
  preVote: 1,
  preVoteReply: 2,
  vote: 3,
  voteReply: 4,
  append: 5,
  appendAccepted: 6,
  appendRejected: 7,
  heartbeat: 8,
  heartbeatReply: 9,
  commit: 10,
  readIndex: 11,
  readIndexReply: 12,
} as const satisfies Record<Message['kind'], number>;

const HEADER = 17;
/** The shortest message: a header and one number. */
export const MIN_MESSAGE: number = HEADER + 8;

/** Bytes behind the header, entries apart. */
const BODY = {
  preVote: 16,
  preVoteReply: 17,
  vote: 16,
  voteReply: 9,
  append: 32,
  appendAccepted: 25,
  appendRejected: 42,
  heartbeat: 24,
  heartbeatReply: 26,
  commit: 8,
  readIndex: 8,
  readIndexReply: 24,
} as const satisfies Record<Message['kind'], number>;

export function messageLength(message: Message): number {
  const length = HEADER + BODY[message.kind];
  return message.kind === 'append' ? length + entriesLength(message.entries) : length;
}

export function writeMessage(writer: Writer, message: Message): void {
  writer.u8(KIND[message.kind]);
  writer.u53(message.term);
  writer.u53(message.incarnation);
  if ('to' in message) writer.u53(message.to);
  switch (message.kind) {
    case 'preVote':
    case 'vote':
      writer.u53(message.lastIndex);
      return writer.u53(message.lastTerm);
    case 'preVoteReply':
      writer.u53(message.candidacy);
      return writer.u8(Number(message.granted));
    case 'voteReply':
      return writer.u8(Number(message.granted));
    case 'append':
      writer.u53(message.session);
      writer.u53(message.prevIndex);
      writer.u53(message.prevTerm);
      writer.u53(message.committed);
      return writeEntries(writer, message.entries);
    case 'appendAccepted':
      writer.u53(message.session);
      writer.u53(message.match);
      return writer.u8(Number(message.full));
    case 'appendRejected':
      writer.u53(message.session);
      writer.u53(message.prevIndex);
      writer.u53(message.hintIndex);
      writer.u53(message.hintTerm);
      writer.u8(Number(message.blank));
      return writer.u8(Number(message.full));
    case 'heartbeat':
      writer.u53(message.session);
      writer.u53(message.round);
      return writer.u53(message.committed);
    case 'heartbeatReply':
      writer.u53(message.session);
      writer.u53(message.round);
      writer.u8(Number(message.blank));
      return writer.u8(Number(message.full));
    case 'commit':
      return writer.u53(message.committed);
    case 'readIndex':
      return writer.u53(message.ticket);
    case 'readIndexReply':
      writer.u53(message.ticket);
      return writer.u53(message.index);
  }
}

export function readMessage(reader: Reader): Message {
  const kind = reader.u8();
  const from = { term: reader.u53(), incarnation: reader.u53() };
  if (from.incarnation === 0) throw protocolError('A message carries no incarnation.');
  switch (kind) {
    case KIND.preVote:
      return { kind: 'preVote', ...from, lastIndex: reader.u53(), lastTerm: upTo(from.term, reader.u53()) };
    case KIND.preVoteReply:
      return { kind: 'preVoteReply', ...from, to: reader.u53(), candidacy: reader.u53(), granted: reader.flag() };
    case KIND.vote:
      return { kind: 'vote', ...from, lastIndex: reader.u53(), lastTerm: upTo(from.term, reader.u53()) };
    case KIND.voteReply:
      return { kind: 'voteReply', ...from, to: reader.u53(), granted: reader.flag() };
    case KIND.append: {
      const session = reader.u53();
      const prevIndex = reader.u53();
      const prevTerm = upTo(from.term, reader.u53());
      const committed = reader.u53();
      const entries = readEntries(reader, prevIndex + 1, prevTerm);
      upTo(from.term, entries.at(-1)?.term ?? 0);
      return { kind: 'append', ...from, session, prevIndex, prevTerm, committed, entries };
    }
    case KIND.appendAccepted:
      return {
        kind: 'appendAccepted',
        ...from,
        to: reader.u53(),
        session: reader.u53(),
        match: reader.u53(),
        full: reader.flag(),
      };
    case KIND.appendRejected:
      return {
        kind: 'appendRejected',
        ...from,
        to: reader.u53(),
        session: reader.u53(),
        prevIndex: reader.u53(),
        hintIndex: reader.u53(),
        hintTerm: upTo(from.term, reader.u53()),
        blank: reader.flag(),
        full: reader.flag(),
      };
    case KIND.heartbeat:
      return { kind: 'heartbeat', ...from, session: reader.u53(), round: reader.u53(), committed: reader.u53() };
    case KIND.heartbeatReply:
      return {
        kind: 'heartbeatReply',
        ...from,
        to: reader.u53(),
        session: reader.u53(),
        round: reader.u53(),
        blank: reader.flag(),
        full: reader.flag(),
      };
    case KIND.commit:
      return { kind: 'commit', ...from, committed: reader.u53() };
    case KIND.readIndex:
      return { kind: 'readIndex', ...from, ticket: reader.u53() };
    case KIND.readIndexReply:
      return { kind: 'readIndexReply', ...from, to: reader.u53(), ticket: reader.u53(), index: reader.u53() };
    default:
      throw protocolError(`A message is of the unknown kind ${kind}. A newer version may have sent it.`);
  }
}

/** No server holds anything of a term above its own. */
function upTo(term: number, held: number): number {
  if (held > term) throw protocolError(`A message of term ${term} speaks of an entry of term ${held}.`);
  return held;
}
