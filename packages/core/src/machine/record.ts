import { BytePool } from '../wire/byte-pool.js';
import { protocolError, Reader, textLength, Writer } from '../wire/index.js';

/** A command of a defined state machine, proposed for the version in force. */
export interface CommandRecord {
  readonly kind: 'command';
  readonly version: number;
  readonly name: string;
  /** The encoded input of the command; undefined if the command takes no input. */
  readonly input: Uint8Array | undefined;
}

/**
 * A record that raises the version in force from `from` to `to`. `from` is 0 before the first
 * command.
 */
export interface RaiseRecord {
  readonly kind: 'raise';
  readonly from: number;
  readonly to: number;
}

/**
 * The first bytes of records in log entries. These bytes are not valid UTF-8. So a text command
 * that a program proposed without `TypedNode` is not mistaken for a record.
 */
const KIND = { command: 0xc0, raise: 0xc1 } as const;

/** Maximum size of a command's name in bytes. */
export const MAX_NAME_BYTES = 255;

const pool = new BytePool();

/**
 * Encodes a command: kind (1 byte), version (4), name, a flag for the input (1), and the input. The
 * command follows `room` free bytes.
 */
export function encodeCommand({ version, name, input }: Omit<CommandRecord, 'kind'>, room = 0): Uint8Array {
  const length = room + 6 + textLength(name) + (input?.length ?? 0);
  // Only `TypedNode` asks for room, and it passes the record to nobody who could transfer its memory.
  const writer = new Writer(length, room > 0 ? pool.allocate(length) : undefined);
  writer.skip(room);
  writer.u8(KIND.command);
  writer.u32(version);
  writer.text(name);
  writer.u8(Number(input !== undefined));
  if (input !== undefined) writer.raw(input);
  return writer.bytes;
}

/**
 * Encodes an increase of the version: kind (1 byte), and the version before and after it (4 each).
 */
export function encodeRaise({ from, to }: Omit<RaiseRecord, 'kind'>): Uint8Array {
  const writer = new Writer(9);
  writer.u8(KIND.raise);
  writer.u32(from);
  writer.u32(to);
  return writer.bytes;
}

/** Decodes a record. Throws `KONTIKI_PROTOCOL` if the bytes are not a record. */
export function decodeRecord(data: Uint8Array): CommandRecord | RaiseRecord {
  const reader = new Reader(data);
  const kind = reader.u8();
  if (kind === KIND.raise) {
    const raise = { kind: 'raise', from: reader.u32(), to: reader.u32() } as const;
    reader.end();
    return raise;
  }
  if (kind !== KIND.command) throw protocolError(`A record has the unknown kind ${kind}.`);
  const [version, name] = [reader.u32(), reader.text(MAX_NAME_BYTES)];
  const input = reader.flag() ? reader.raw(reader.left) : undefined;
  reader.end();
  return { kind: 'command', version, name, input };
}
