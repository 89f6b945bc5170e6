import type { Message } from '../protocol/message.js';
import { invariant } from '../invariant.js';
import { crc32 } from './crc32.js';
import { messageLength, MIN_MESSAGE, readMessage, writeMessage } from './messages.js';
import { protocolError, Reader } from './reader.js';
import { Writer } from './writer.js';

/**
 * A frame: checksum of all that follows (4 bytes), version (1), flags (1, none yet), group (4), epoch (4, for
 * memberships of groups to come), count (4), then the messages.
 */
const VERSION = 1;
const HEADER = 18;

/** Frames longer than this are refused unless the caller says otherwise: 4 MiB. */
export const MAX_FRAME: number = 4 * 1024 * 1024;

export interface Frame {
  /** Which of several groups on one connection is meant; 0 today. */
  readonly group: number;
  readonly messages: readonly Message[];
}

/** Bytes a frame of these messages takes. */
export function frameLength(messages: readonly Message[]): number {
  let length = HEADER;
  for (const message of messages) length += messageLength(message);
  return length;
}

/** One buffer, one checksum, one copy of each payload. `memory` is overwritten by the frame if that has room in it. */
export function encodeFrame(messages: readonly Message[], group = 0, memory?: Uint8Array): Uint8Array {
  const writer = new Writer(frameLength(messages), memory);
  writer.u32(0);
  writer.u8(VERSION);
  writer.u8(0);
  writer.u32(group);
  writer.u32(0);
  writer.u32(messages.length);
  for (const message of messages) writeMessage(writer, message);
  // What is not written would be what `memory` held before.
  invariant(
    writer.at === writer.bytes.length,
    () => `a frame of ${writer.bytes.length} bytes was filled up to ${writer.at}`,
  );
  writer.u32At(0, crc32(writer.bytes.subarray(4)));
  return writer.bytes;
}

/** Payloads are views of `bytes`, which must not change. Whatever is wrong is a `KONTIKI_PROTOCOL` error. */
export function decodeFrame(bytes: Uint8Array, maxBytes: number = MAX_FRAME): Frame {
  if (bytes.length > maxBytes) throw protocolError(`A frame of ${bytes.length} bytes exceeds the ${maxBytes} allowed.`);
  const reader = new Reader(bytes);
  const checksum = reader.u32();
  const version = reader.u8();
  if (version !== VERSION)
    throw protocolError(`A frame is of version ${version}; this server speaks version ${VERSION}.`);
  if (checksum !== crc32(bytes.subarray(4))) throw protocolError('A frame does not match its checksum.');
  const flags = reader.u8();
  if (flags !== 0) throw protocolError(`A frame has the unknown flags ${flags}.`);
  const group = reader.u32();
  const epoch = reader.u32();
  if (epoch !== 0) throw protocolError(`A frame is of the unknown epoch ${epoch}.`);
  const count = reader.count(MIN_MESSAGE);
  const messages: Message[] = [];
  for (let i = 0; i < count; i += 1) messages.push(readMessage(reader));
  reader.end();
  return { group, messages };
}
