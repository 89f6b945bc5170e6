import type { IncomingMessage } from 'node:http';
import { MAX_FRAME } from '@kontiki/core/wire';

/** The reason why a body is not available: larger than a frame may be, or incomplete. */
export type BodyFault = 'large' | 'cut';

/** Reads the body of a request or response. Stops when the body is larger than a frame may be. */
export class Body {
  readonly #onDone: (body: Buffer | BodyFault) => void;
  /** The length in the header, or the maximum length if there is no such header. */
  readonly #announced: number;
  /**
   * A buffer that starts with the bytes received so far. The chunks are not kept, because a client
   * that sends single bytes would make each byte cost about a hundred.
   */
  #bytes: Buffer = Buffer.alloc(0);
  #received = 0;
  #ended = false;

  /** `onDone`: called once. */
  constructor(message: IncomingMessage, onDone: (body: Buffer | BodyFault) => void) {
    this.#onDone = onDone;
    this.#announced = Number(message.headers['content-length'] ?? MAX_FRAME);
    if (this.#announced > MAX_FRAME) this.#end('large');
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
    if (this.#received > MAX_FRAME) return this.#end('large');
    // Most bodies have one chunk, which needs no copy.
    if (start === 0) this.#bytes = chunk;
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
