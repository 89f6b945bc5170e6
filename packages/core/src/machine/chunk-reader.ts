/** Reads a stream of chunks of any size: first some bytes from its start, then the rest. */
export class ChunkReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #left: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Resolves with the next `length` bytes, or with fewer bytes if the stream ends before. */
  async take(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#left.length === 0) {
        const { done, value } = await this.#chunks.next();
        if (done === true) break;
        this.#left = value;
      }
      const part = this.#left.subarray(0, missing);
      parts.push(part);
      missing -= part.length;
      this.#left = this.#left.subarray(part.length);
    }
    const taken = new Uint8Array(length - missing);
    let at = 0;
    for (const part of parts) {
      taken.set(part, at);
      at += part.length;
    }
    return taken;
  }

  /** Ends the stream, whether or not all of it was read. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** Returns the rest of the stream, after `unread`: bytes that were taken but belong to the rest. */
  async *rest(unread: Uint8Array = new Uint8Array(0)): AsyncGenerator<Uint8Array> {
    if (unread.length > 0) yield unread;
    if (this.#left.length > 0) yield this.#left;
    yield* { [Symbol.asyncIterator]: () => this.#chunks };
  }
}

/**
 * Yields `parts` and then `chunks`. Reads the first chunk before it yields the parts. A state machine
 * captures its state when its first chunk is read, and the node applies the next batch as soon as
 * it has received the first part.
 */
export async function* inFront(
  parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  try {
    yield* parts;
    if (first.done !== true) yield first.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  } finally {
    await iterator.return?.();
  }
}
