import { CliError } from '../cli.js';

/**
 * Reads all bytes of an input. Rejects if there are more than `limit`: a node refuses them early and
 * closes the connection, so that to the client the outcome would seem unknown.
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
