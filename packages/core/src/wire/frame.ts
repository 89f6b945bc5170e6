import type { Message } from '../protocol/message.js';
import { invariant } from '../invariant.js';
import { crc32 } from './crc32.js';
import { messageLength, MIN_MESSAGE, readMessage, writeMessage } from './messages.js';
import { protocolError, Reader } from './reader.js';
import { Writer } from './writer.js';

/**
 * The encoding of a frame: a checksum of the following bytes (4 bytes), version (1), flags (1, none
 * defined), group (4), epoch (4, reserved), message count (4), then the messages.
 */
const VERSION = 1;
const HEADER = 18;

/** Default limit of bytes in a frame: 4 MiB. */
export const MAX_FRAME: number = 4 * 1024 * 1024;

export interface Frame {
  /** The Raft group on this connection; currently always 0. */
  readonly group: number;
  readonly messages: readonly Message[];
}

/** Returns the number of bytes of a frame with these messages. */
export function frameLength(messages: readonly Message[]): number {
  let length = HEADER;
  for (const message of messages) length += messageLength(message);
  return length;
}

/**
 * Encodes a frame with one buffer, one checksum and one copy of each payload. Uses `memory` for the
 * frame if it is large enough.
 */
export function encodeFrame(messages: readonly Message[], group = 0, memory?: Uint8Array): Uint8Array {
  const writer = new Writer(frameLength(messages), memory);
  writer.u32(0);
  writer.u8(VERSION);
  writer.u8(0);
  writer.u32(group);
  writer.u32(0);
  writer.u32(messages.length);
  for (const message of messages) writeMessage(writer, message);
  // An unwritten byte would contain old data from `memory`.
  invariant(
    writer.at === writer.bytes.length,
    () => `a frame of ${writer.bytes.length} bytes was filled up to ${writer.at}`,
  );
  writer.u32At(0, crc32(writer.bytes.subarray(4)));
  return writer.bytes;
}

/**
 * Decodes a frame. Payloads are views of `bytes`, which must not change. Throws `KONTIKI_PROTOCOL`
 * if the frame is invalid.
 */
export function decodeFrame(bytes: Uint8Array, maxBytes: number = MAX_FRAME): Frame {
  if (bytes.length > maxBytes)
    throw protocolError(`A frame of ${bytes.length} bytes exceeds the limit of ${maxBytes}.`);
  const reader = new Reader(bytes);
  const checksum = reader.u32();
  const version = reader.u8();
  if (version !== VERSION)
    throw protocolError(`A frame has version ${version}, but this server supports version ${VERSION}.`);
  if (checksum !== crc32(bytes.subarray(4))) throw protocolError('A frame does not match its checksum.');
  const flags = reader.u8();
  if (flags !== 0) throw protocolError(`A frame has the unknown flags ${flags}.`);
  const group = reader.u32();
  const epoch = reader.u32();
  if (epoch !== 0) throw protocolError(`A frame has the unknown epoch ${epoch}.`);
  const count = reader.count(MIN_MESSAGE);
  const messages: Message[] = [];
  for (let i = 0; i < count; i += 1) messages.push(readMessage(reader));
  reader.end();
  return { group, messages };
}
