import { protocolError, Reader, textLength, Writer } from '../wire/index.js';

/** A command of a defined state machine, proposed for the version in force. */
export interface CommandRecord {
  readonly kind: 'command';
  readonly version: number;
  readonly name: string;
  /** The encoded input; undefined if the command has none. */
  readonly input: Uint8Array | undefined;
}

/** Raises the version in force from `from` (0 before the first command) to `to`. */
export interface RaiseRecord {
  readonly kind: 'raise';
  readonly from: number;
  readonly to: number;
}

/**
 * First bytes of the records in log entries. No UTF-8 text contains them, so commands that a program
 * proposed without this layer are not mistaken for records.
 */
const KIND = { command: 0xc0, raise: 0xc1 } as const;

/** Maximum bytes of a command's name. */
export const MAX_NAME_BYTES = 255;

/** Encodes a command: kind (1 byte), version (4), name, whether there is an input (1), the input. */
export function encodeCommand({ version, name, input }: Omit<CommandRecord, 'kind'>): Uint8Array {
  const writer = new Writer(6 + textLength(name) + (input?.length ?? 0));
  writer.u8(KIND.command);
  writer.u32(version);
  writer.text(name);
  writer.u8(Number(input !== undefined));
  if (input !== undefined) writer.raw(input);
  return writer.bytes;
}

/** Encodes a raise: kind (1 byte), the versions before and after it (4 each). */
export function encodeRaise({ from, to }: Omit<RaiseRecord, 'kind'>): Uint8Array {
  const writer = new Writer(9);
  writer.u8(KIND.raise);
  writer.u32(from);
  writer.u32(to);
  return writer.bytes;
}

/** Decodes a record. Throws `KONTIKI_PROTOCOL` if the bytes are something else. */
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
