import { KontikiError } from '../errors.js';
import { Reader, Writer } from '../wire/index.js';
import { ChunkReader } from './chunk-reader.js';

/** The format number of snapshots of defined state machines. */
export const SNAPSHOT_FORMAT = 1;
const HEAD = 8;

/**
 * Encodes the head of a snapshot: the format number (4 bytes), and the version in force (4, 0 for
 * none). The state follows the head.
 */
export function encodeHead(version: number): Uint8Array {
  const writer = new Writer(HEAD);
  writer.u32(SNAPSHOT_FORMAT);
  writer.u32(version);
  return writer.bytes;
}

/** Splits a snapshot into the version in its head and the chunks of the state. */
export async function readHead(
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ version: number; state: AsyncIterable<Uint8Array> }> {
  const stream = new ChunkReader(chunks);
  const head = await stream.take(HEAD);
  if (head.length < HEAD) throw foreign('is too short');
  const reader = new Reader(head);
  const [format, version] = [reader.u32(), reader.u32()];
  if (format !== SNAPSHOT_FORMAT) throw foreign(`has format ${format}, not ${SNAPSHOT_FORMAT}`);
  return { version, state: stream.rest() };
}

/** Returns the error for a snapshot that this program cannot read. */
export function foreign(fault: string, cause?: unknown): KontikiError {
  const text = `The snapshot ${fault}: a newer version of Kontiki or another kind of state machine wrote it.`;
  return new KontikiError('KONTIKI_FORMAT', `${text} Nothing was changed. Use the program that wrote it.`, { cause });
}
