import { invariant } from '../invariant.js';
import type { Message, Received } from '../protocol/message.js';
import { crc32 } from './crc32.js';
import { isKnownKind, isKnownTo, messageLength, MIN_MESSAGE, readMessage, writeMessage } from './messages.js';
import { protocolError, Reader } from './reader.js';
import { Writer } from './writer.js';

/**
 * The encoding of a frame. Its fields, with their sizes in bytes, are
 * - a checksum of the following bytes (4),
 * - the version (1), and flags (1, none defined),
 * - the group (4), and the epoch of the group (4, reserved),
 * - the message count (4), and the messages.
 *
 * From version 2 on, each message follows its length (4 bytes), so that a server can skip a message
 * that it cannot read. In version 1, such a message makes the whole frame unreadable.
 *
 * From version 3 on, each message contains the identity of the sender's store. Heartbeat replies
 * also contain the sender's feature level and behavior version. Two servers use the highest version
 * that both support (`FRAMING`).
 */
const HEADER = 18;
const LENGTH = 4;

/** A range of versions, including both ends. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** The versions of frames that this server can read and write. */
export const FRAMING: VersionRange = { min: 1, max: 3 };

/** Default limit on the size of a frame: 4 MiB. */
export const MAX_FRAME: number = 4 * 1024 * 1024;

export interface Frame {
  /** The Raft group on this connection; currently always 0. */
  readonly group: number;
  readonly messages: readonly Received[];
  /** The kinds of messages that were skipped because this version does not know them. */
  readonly skipped: readonly number[];
}

export interface FrameOptions {
  /** The Raft group of the messages. Default 0. */
  readonly group?: number | undefined;
  /** The version of the frame to write. Default `FRAMING.max`. */
  readonly version?: number | undefined;
  /** Memory to encode the frame into, if it is large enough. */
  readonly memory?: Uint8Array | undefined;
}

/** Returns the size in bytes of a frame with these messages. */
export function frameLength(messages: readonly Message[], version: number = FRAMING.max): number {
  let length = HEADER;
  for (const message of messages) {
    if (isKnownTo(version, message)) length += messageLength(message, version) + (version === 1 ? 0 : LENGTH);
  }
  return length;
}

/**
 * Encodes a frame, using one buffer and one checksum, and copying each payload only once. Leaves
 * out messages that the frame's version does not support.
 */
export function encodeFrame(
  messages: readonly Message[],
  { group = 0, version = FRAMING.max, memory }: FrameOptions = {},
): Uint8Array {
  const known = messages.every((message) => isKnownTo(version, message))
    ? messages
    : messages.filter((message) => isKnownTo(version, message));
  const writer = new Writer(frameLength(known, version), memory);
  writer.u32(0);
  writer.u8(version);
  writer.u8(0);
  writer.u32(group);
  writer.u32(0);
  writer.u32(known.length);
  for (const message of known) {
    const { at } = writer;
    if (version > 1) writer.u32(0);
    writeMessage(writer, message, version);
    if (version > 1) writer.u32At(at, writer.at - at - LENGTH);
  }
  // Any byte that was not written would still contain old data from `memory`.
  invariant(
    writer.at === writer.bytes.length,
    () => `a frame of ${writer.bytes.length} bytes was filled up to ${writer.at}`,
  );
  writer.u32At(0, crc32(writer.bytes.subarray(4)));
  return writer.bytes;
}

/**
 * Decodes a frame. The payloads are views of `bytes`, which must not change. Throws
 * `KONTIKI_PROTOCOL` if the frame is invalid.
 */
export function decodeFrame(bytes: Uint8Array, maxBytes: number = MAX_FRAME): Frame {
  if (bytes.length > maxBytes)
    throw protocolError(`A frame of ${bytes.length} bytes exceeds the limit of ${maxBytes}.`);
  const reader = new Reader(bytes);
  const checksum = reader.u32();
  const version = reader.u8();
  if (version < FRAMING.min || version > FRAMING.max) {
    throw protocolError(
      `A frame has version ${version}, but this server supports versions ${FRAMING.min} to ${FRAMING.max}.`,
    );
  }
  if (checksum !== crc32(bytes.subarray(4))) throw protocolError('A frame does not match its checksum.');
  const flags = reader.u8();
  if (flags !== 0) throw protocolError(`A frame has the unknown flags ${flags}.`);
  const group = reader.u32();
  const epoch = reader.u32();
  if (epoch !== 0) throw protocolError(`A frame has the unknown epoch ${epoch}.`);
  const messages: Received[] = [];
  const skipped: number[] = [];
  // A skipped message contains at least its kind.
  const count = reader.count(version === 1 ? MIN_MESSAGE : LENGTH + 1);
  for (let i = 0; i < count; i += 1) {
    if (version > 1) readPrefixed(reader, version, messages, skipped);
    else {
      const message = readMessage(reader, version);
      if (message.kind === 'unreadable') throw protocolError(message.reason);
      messages.push(message);
    }
  }
  reader.end();
  return { group, messages, skipped };
}

function readPrefixed(reader: Reader, version: number, messages: Received[], skipped: number[]): void {
  const length = reader.u32();
  if (length === 0) throw protocolError('A message has no bytes.');
  const end = reader.at + length;
  const kind = reader.peek();
  if (isKnownKind(kind)) {
    const message = readMessage(reader, version);
    messages.push(message);
    if (message.kind === 'unreadable' && reader.at < end) reader.raw(end - reader.at);
  } else {
    skipped.push(kind);
    reader.raw(length);
  }
  if (reader.at !== end) throw protocolError(`A message of ${length} bytes ends at byte ${reader.at}, not ${end}.`);
}
