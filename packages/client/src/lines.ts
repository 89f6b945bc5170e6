/** Yields the lines of a stream of UTF-8 text, without a last line that is incomplete. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const utf8 = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + utf8.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() as string;
    yield* lines;
  }
}
