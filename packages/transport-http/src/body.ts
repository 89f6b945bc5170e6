import type { IncomingMessage } from 'node:http';
import { MAX_FRAME } from '@kontiki/core/wire';

/** Larger than any frame, or ended before it was whole. */
export type BodyFault = 'large' | 'cut';

/** Reads the body of a request or an answer: no more of it than a frame may have. */
export class Body {
  readonly #done: (body: Buffer | BodyFault) => void;
  #chunks: Buffer[] = [];
  #received = 0;
  #ended = false;

  /** `done`: called once. */
  constructor(message: IncomingMessage, done: (body: Buffer | BodyFault) => void) {
    this.#done = done;
    if (Number(message.headers['content-length']) > MAX_FRAME) this.#end('large');
    message.on('data', (chunk: Buffer) => {
      if (this.#ended) return;
      this.#received += chunk.length;
      if (this.#received > MAX_FRAME) return this.#end('large');
      this.#chunks.push(chunk);
    });
    message.on('end', () => this.#end(this.#whole()));
    message.on('error', () => this.#end('cut'));
    message.on('close', () => this.#end('cut'));
  }

  /** Bytes so far. */
  get received(): number {
    return this.#received;
  }

  #whole(): Buffer {
    const [first] = this.#chunks;
    return first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
  }

  #end(body: Buffer | BodyFault): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#chunks = [];
    this.#done(body);
  }
}
