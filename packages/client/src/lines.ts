import { ClientError } from './errors.js';
import { MAX_BODY } from './http-client.js';

/** Yields the lines of a stream of UTF-8 text, without a last line that is incomplete. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const utf8 = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const [end = '', ...starts] = utf8.decode(chunk, { stream: true }).split('\n');
    rest += end;
    const incomplete = starts.pop();
    if (incomplete !== undefined) {
      yield rest;
      yield* starts;
      rest = incomplete;
    }
    if (rest.length > MAX_BODY)
      throw new ClientError('KONTIKI_PROTOCOL', `A node sent a value of more than ${MAX_BODY} bytes.`);
  }
}
