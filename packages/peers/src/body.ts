import type { IncomingMessage } from 'node:http';

/** The reason why a body is unavailable: it exceeds the maximum length, or it is incomplete. */
export type BodyFault = 'large' | 'cut';

/** Reads the body of a request or response into memory, up to a maximum length. */
export class Body {
  readonly #maxBytes: number;
  readonly #onDone: (body: Buffer | BodyFault) => void;
  /**
   * The length from the `content-length` header, or the maximum length if there is no such header.
   */
  readonly #announced: number;
  /**
   * A buffer that starts with the bytes received so far. Chunks are copied into it instead of being
   * kept. Otherwise, a client that sends single bytes would make each of them use about a hundred
   * bytes of memory.
   */
  #bytes: Buffer = Buffer.alloc(0);
  #received = 0;
  #ended = false;

  /** `onDone` is called once, possibly before the constructor returns. */
  constructor(message: IncomingMessage, maxBytes: number, onDone: (body: Buffer | BodyFault) => void) {
    this.#maxBytes = maxBytes;
    this.#onDone = onDone;
    this.#announced = Number(message.headers['content-length'] ?? maxBytes);
    if (this.#announced > maxBytes) this.#end('large');
    message.on('data', (chunk: Buffer) => {
      if (!this.#ended) this.#take(chunk);
    });
    message.on('end', () => this.#end(this.#bytes.subarray(0, this.#received)));
    message.on('error', () => this.#end('cut'));
    message.on('close', () => this.#end('cut'));
  }

  /** The number of bytes received so far. */
  get received(): number {
    return this.#received;
  }

  #take(chunk: Buffer): void {
    const start = this.#received;
    this.#received += chunk.length;
    if (this.#received > this.#maxBytes) return this.#end('large');
    // Most bodies arrive as one chunk, which needs no copy. A partial chunk is copied, because
    // keeping it would keep the socket's whole buffer in memory.
    if (chunk.length === this.#announced) this.#bytes = chunk;
    else {
      if (this.#received > this.#bytes.length) {
        const room = Math.min(this.#announced, 2 * this.#bytes.length);
        const larger = Buffer.allocUnsafeSlow(Math.max(this.#received, room));
        this.#bytes.copy(larger, 0, 0, start);
        this.#bytes = larger;
      }
      chunk.copy(this.#bytes, start);
    }
  }

  #end(body: Buffer | BodyFault): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#bytes = Buffer.alloc(0);
    this.#onDone(body);
  }
}
