import type { Entry } from '../log/entry.js';
import type { Message, Received } from '../protocol/message.js';
import { entriesLength, readEntries, writeEntries } from './entries.js';
import {
  incarnation,
  levelsOf,
  lifeOf,
  refusal,
  snapshotId,
  snapshotMeta,
  termOf,
  unreadable,
  writeRefusal,
} from './message-fields.js';
import { position, upTo } from './position.js';
import { protocolError, type Reader } from './reader.js';
import { encodeSnapshotHead } from './snapshot-head.js';
import { textLength, type Writer } from './writer.js';

/**
 * The encoding of a message. Its fields, with their sizes in bytes, are
 * - the kind (1),
 * - the term and the incarnation (8 each),
 * - from version 3 on, the store and its number of starts (8 each, 0 for none),
 * - the fields of the kind, in the order in which `writeMessage` writes them.
 *
 * Numbers take up 8 bytes, behavior versions 4 bytes, and flags and levels 1 byte. All other kinds
 * are reserved for later versions.
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
  snapshotOffer: 13,
  snapshotChunk: 14,
  snapshotAck: 15,
  timeoutNow: 16,
  propose: 18,
  proposeReply: 19,
  delegate: 20,
  delegateReply: 21,
} as const satisfies Record<Message['kind'], number>;

/**
 * The kind of a vote request during a leadership transfer. It has the same fields as any other vote
 * request.
 */
const TRANSFER_VOTE = 17;
const HEADER = 17;
/**
 * Size in bytes of the store's id and number of starts. They follow the header from version 3 on.
 */
const LIFE = 16;
/**
 * Size in bytes of the level and the behavior version, which heartbeat replies contain from version
 * 3 on.
 */
const LEVELS = 5;
/** Size in bytes of the shortest message, which consists of a header and one number. */
export const MIN_MESSAGE: number = HEADER + 8;

/**
 * Size in bytes of each kind of message, not including the header, entries and other
 * variable-length parts.
 */
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
  snapshotOffer: 16,
  snapshotChunk: 20,
  snapshotAck: 24,
  timeoutNow: 8,
  propose: 12,
  proposeReply: 29,
  delegate: 12,
  delegateReply: 20,
} as const satisfies Record<Message['kind'], number>;

const KINDS: ReadonlySet<number> = new Set([...Object.values(KIND), TRANSFER_VOTE]);
/** The numbers of the highest kinds of messages that frames of versions 1 and 2 may contain. */
const LAST_OF_VERSION_1 = KIND.snapshotAck;
const LAST_OF_VERSION_2 = TRANSFER_VOTE;

/** Returns whether this server knows a kind of message. */
export function isKnownKind(kind: number): boolean {
  return KINDS.has(kind);
}

/** Returns whether frames of a given version may contain a given message. */
export function isKnownTo(version: number, message: Message): boolean {
  return version > 2 || kindOf(message) <= (version === 1 ? LAST_OF_VERSION_1 : LAST_OF_VERSION_2);
}

function kindOf(message: Message): number {
  return message.kind === 'vote' && message.transfer === true ? TRANSFER_VOTE : KIND[message.kind];
}

/** Returns the encoded size of a message in bytes, not including the length that precedes it. */
export function messageLength(message: Message, version: number): number {
  const length = HEADER + (version < 3 ? 0 : LIFE) + BODY[message.kind];
  if (message.kind === 'heartbeatReply') return length + (hasLevel(version) ? LEVELS : 0);
  if (message.kind === 'append') return length + entriesLength(message.entries);
  if (message.kind === 'propose') return message.commands.reduce((sum, { length: bytes }) => sum + 4 + bytes, length);
  if (message.kind === 'delegate') return length + message.request.length;
  if (message.kind === 'delegateReply') return length + message.reply.length;
  if (message.kind === 'snapshotOffer') return length + 4 + encodeSnapshotHead(message.meta).length;
  if (message.kind === 'snapshotChunk') return length + textLength(message.id) + message.data.length;
  return message.kind === 'snapshotAck' ? length + textLength(message.id) : length;
}

export function writeMessage(writer: Writer, message: Message, version: number): void {
  writer.u8(kindOf(message));
  writer.u53(message.term);
  writer.u53(message.incarnation);
  if (version >= 3) {
    writer.u53(message.store ?? 0);
    writer.u53(message.starts ?? 0);
  }
  if ('to' in message) writer.u53(message.to);
  switch (message.kind) {
    case 'preVote':
    case 'vote':
      writer.u53(message.lastIndex);
      return writer.u53(message.lastTerm);
    case 'preVoteReply':
      writer.u53(message.candidacy);
      return writer.u8(Number(message.granted));
    case 'timeoutNow':
      return;
    case 'voteReply':
      return writer.u8(Number(message.granted));
    case 'append':
      writer.u53(message.stream);
      writer.u53(message.prevIndex);
      writer.u53(message.prevTerm);
      writer.u53(message.committed);
      return writeEntries(writer, message.entries);
    case 'appendAccepted':
      writer.u53(message.stream);
      writer.u53(message.match);
      return writer.u8(Number(message.full));
    case 'appendRejected':
      writer.u53(message.stream);
      writer.u53(message.prevIndex);
      writer.u53(message.hintIndex);
      writer.u53(message.hintTerm);
      writer.u8(Number(message.blank));
      return writer.u8(Number(message.full));
    case 'heartbeat':
      writer.u53(message.stream);
      writer.u53(message.round);
      return writer.u53(message.committed);
    case 'heartbeatReply':
      writer.u53(message.stream);
      writer.u53(message.round);
      writer.u8(Number(message.blank));
      writer.u8(Number(message.full));
      if (!hasLevel(version)) return;
      writer.u8(message.level ?? 0);
      return writer.u32(message.behavior ?? 0);
    case 'commit':
      return writer.u53(message.committed);
    case 'readIndex':
      return writer.u53(message.ticket);
    case 'readIndexReply':
      writer.u53(message.ticket);
      return writer.u53(message.index);
    case 'propose':
      writer.u53(message.ticket);
      writer.u32(message.commands.length);
      for (const command of message.commands) writeBytes(writer, command);
      return;
    case 'proposeReply':
      writer.u53(message.ticket);
      writer.u32(message.accepted);
      writer.u53(message.index);
      return writeRefusal(writer, message.refused);
    case 'delegate':
      writer.u53(message.ticket);
      return writeBytes(writer, message.request);
    case 'delegateReply':
      writer.u53(message.ticket);
      return writeBytes(writer, message.reply);
    case 'snapshotOffer':
      writer.u53(message.stream);
      writer.u53(message.bytes);
      return writeBytes(writer, encodeSnapshotHead(message.meta));
    case 'snapshotChunk':
      writer.u53(message.stream);
      writer.text(message.id);
      writer.u53(message.offset);
      return writeBytes(writer, message.data);
    case 'snapshotAck':
      writer.u53(message.stream);
      writer.text(message.id);
      return writer.u53(message.offset);
  }
}

/**
 * Returns whether heartbeat replies in frames of a given version contain the level and the behavior
 * version.
 */
function hasLevel(version: number): boolean {
  return version > 2;
}

/**
 * Reads a message. If the message contains an entry or a snapshot from a newer version, returns an
 * `Unreadable` without reading the rest of the message.
 */
export function readMessage(reader: Reader, version: number): Received {
  const kind = reader.u8();
  const from = { term: termOf(reader), incarnation: incarnation(reader), ...(version < 3 ? {} : lifeOf(reader)) };
  switch (kind) {
    case KIND.preVote: {
      const last = position(reader, from.term);
      return { kind: 'preVote', ...from, lastIndex: last.index, lastTerm: last.term };
    }
    case KIND.preVoteReply:
      return {
        kind: 'preVoteReply',
        ...from,
        to: incarnation(reader),
        candidacy: reader.u53(),
        granted: reader.flag(),
      };
    case KIND.vote:
    case TRANSFER_VOTE: {
      const last = position(reader, from.term);
      const vote = { kind: 'vote', ...from, lastIndex: last.index, lastTerm: last.term } as const;
      return kind === TRANSFER_VOTE ? { ...vote, transfer: true } : vote;
    }
    case KIND.voteReply:
      return { kind: 'voteReply', ...from, to: incarnation(reader), granted: reader.flag() };
    case KIND.timeoutNow:
      return { kind: 'timeoutNow', ...from, to: incarnation(reader) };
    case KIND.append: {
      const stream = reader.u53();
      const prev = position(reader, from.term);
      const committed = reader.u53();
      const entries: Entry[] = [];
      try {
        readEntries(reader, prev.index + 1, prev.term, entries);
      } catch (error) {
        return unreadable(from, error, prev.index + 1 + entries.length);
      }
      upTo(from.term, entries.at(-1)?.term ?? 0);
      return { kind: 'append', ...from, stream, prevIndex: prev.index, prevTerm: prev.term, committed, entries };
    }
    case KIND.appendAccepted:
      return {
        kind: 'appendAccepted',
        ...from,
        to: incarnation(reader),
        stream: reader.u53(),
        match: reader.u53(),
        full: reader.flag(),
      };
    case KIND.appendRejected: {
      const answer = { to: incarnation(reader), stream: reader.u53(), prevIndex: reader.u53() };
      const hint = position(reader, from.term);
      const state = { blank: reader.flag(), full: reader.flag() };
      return { kind: 'appendRejected', ...from, ...answer, hintIndex: hint.index, hintTerm: hint.term, ...state };
    }
    case KIND.heartbeat:
      return { kind: 'heartbeat', ...from, stream: reader.u53(), round: reader.u53(), committed: reader.u53() };
    case KIND.heartbeatReply: {
      const answer = { to: incarnation(reader), stream: reader.u53(), round: reader.u53() };
      const state = { blank: reader.flag(), full: reader.flag() };
      return { kind: 'heartbeatReply', ...from, ...answer, ...state, ...(hasLevel(version) ? levelsOf(reader) : {}) };
    }
    case KIND.commit:
      return { kind: 'commit', ...from, committed: reader.u53() };
    case KIND.readIndex:
      return { kind: 'readIndex', ...from, ticket: reader.u53() };
    case KIND.readIndexReply:
      return { kind: 'readIndexReply', ...from, to: incarnation(reader), ticket: reader.u53(), index: reader.u53() };
    case KIND.propose: {
      const ticket = reader.u53();
      const commands = Array.from({ length: reader.count(4) }, () => reader.raw(reader.u32()));
      return { kind: 'propose', ...from, ticket, commands };
    }
    case KIND.proposeReply: {
      const answer = { to: incarnation(reader), ticket: reader.u53(), accepted: reader.u32(), index: reader.u53() };
      if ((answer.accepted === 0) !== (answer.index === 0))
        throw protocolError(`A message names entry ${answer.index} for ${answer.accepted} commands.`);
      return { kind: 'proposeReply', ...from, ...answer, refused: refusal(reader) };
    }
    case KIND.delegate:
      return { kind: 'delegate', ...from, ticket: reader.u53(), request: reader.raw(reader.u32()) };
    case KIND.delegateReply: {
      const answer = { to: incarnation(reader), ticket: reader.u53() };
      return { kind: 'delegateReply', ...from, ...answer, reply: reader.raw(reader.u32()) };
    }
    case KIND.snapshotOffer: {
      const stream = reader.u53();
      const bytes = reader.u53();
      try {
        return { kind: 'snapshotOffer', ...from, stream, bytes, meta: snapshotMeta(reader, from.term) };
      } catch (error) {
        return unreadable(from, error);
      }
    }
    case KIND.snapshotChunk:
      return {
        kind: 'snapshotChunk',
        ...from,
        stream: reader.u53(),
        id: snapshotId(reader),
        offset: reader.u53(),
        data: reader.raw(reader.u32()),
      };
    case KIND.snapshotAck:
      return {
        kind: 'snapshotAck',
        ...from,
        to: incarnation(reader),
        stream: reader.u53(),
        id: snapshotId(reader),
        offset: reader.u53(),
      };
    default:
      throw protocolError(`A message has the unknown kind ${kind}. A newer version may have sent it.`);
  }
}

function writeBytes(writer: Writer, bytes: Uint8Array): void {
  writer.u32(bytes.length);
  writer.raw(bytes);
}
