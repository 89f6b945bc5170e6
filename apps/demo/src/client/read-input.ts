import { CliError } from '../cli.js';

/**
 * Reads all bytes of an input. Rejects if the input has more than `limit` bytes. A node that
 * receives more closes the connection early, so the client could not know the outcome.
 */
export async function readInput(
  name: string,
  input: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limit: number,
): Promise<Uint8Array> {
  // Copy the input into one buffer. If it arrives byte by byte, a list of chunks would use about a
  // hundred bytes of memory per byte.
  const bytes = Buffer.alloc(limit);
  let length = 0;
  for await (const chunk of input) {
    if (length + chunk.length > limit)
      throw new CliError(`The ${name} has more than ${limit} bytes. Nothing was sent.`);
    bytes.set(chunk, length);
    length += chunk.length;
  }
  return bytes.subarray(0, length);
}
