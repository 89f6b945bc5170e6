import { KontikiError } from '../errors.js';
import { Reader, Writer } from '../wire/index.js';

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
  const iterator = chunks[Symbol.asyncIterator]();
  const head = new Uint8Array(HEAD);
  let filled = 0;
  let left: Uint8Array = head;
  while (filled < HEAD) {
    const { done, value } = await iterator.next();
    if (done === true) throw foreign('is too short');
    const part = value.subarray(0, HEAD - filled);
    head.set(part, filled);
    filled += part.length;
    left = value.subarray(part.length);
  }
  const reader = new Reader(head);
  const [format, version] = [reader.u32(), reader.u32()];
  if (format !== SNAPSHOT_FORMAT) throw foreign(`has format ${format}, not ${SNAPSHOT_FORMAT}`);
  async function* state(): AsyncGenerator<Uint8Array> {
    yield left;
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { version, state: state() };
}

function foreign(fault: string): KontikiError {
  const text = `The snapshot ${fault}: a newer version of Kontiki or another kind of state machine wrote it.`;
  return new KontikiError('KONTIKI_FORMAT', `${text} Nothing was changed. Use the program that wrote it.`);
}
