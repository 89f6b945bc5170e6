import type { IncomingMessage } from 'node:http';
import { MAX_FRAME } from '@kontiki/core/wire';

/** Larger than any frame, or ended before it was whole. */
export type BodyFault = 'large' | 'cut';

/** Reads the body of a request or an answer: no more of it than a frame may have. */
export class Body {
  readonly #onDone: (body: Buffer | BodyFault) => void;
  /** Bytes that it will have, if it says so. */
  readonly #announced: number;
  /** Begins with what has come. One buffer, since whoever sends byte by byte would have each one cost a hundred. */
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

  /** Bytes so far. */
  get received(): number {
    return this.#received;
  }

  #take(chunk: Buffer): void {
    const begin = this.#received;
    this.#received += chunk.length;
    if (this.#received > MAX_FRAME) return this.#end('large');
    // Most come in one piece.
    if (begin === 0) this.#bytes = chunk;
    else {
      if (this.#received > this.#bytes.length) {
        const room = Math.min(this.#announced, 2 * this.#bytes.length);
        const larger = Buffer.allocUnsafeSlow(Math.max(this.#received, room));
        this.#bytes.copy(larger, 0, 0, begin);
        this.#bytes = larger;
      }
      chunk.copy(this.#bytes, begin);
    }
  }

  #end(body: Buffer | BodyFault): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#bytes = Buffer.alloc(0);
    this.#onDone(body);
  }
}
