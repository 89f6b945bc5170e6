import type { IncomingMessage } from 'node:http';
import { Body } from '@kontiki/peers';
import { HttpError } from './responses.js';

/**
 * Reads a request body of at most `limit` bytes. Rejects as soon as a longer body is announced or
 * received.
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const onDone: ConstructorParameters<typeof Body>[2] = (body) => {
      if (body === 'large') reject(new HttpError(413, 'TOO_LARGE', `The body must have at most ${limit} bytes.`));
      else if (body === 'cut')
        reject(new HttpError(400, 'ABORTED', 'The request ended before its body was complete. Nothing was written.'));
      else resolve(body);
    };
    void new Body(request, limit, onDone);
  });
}
