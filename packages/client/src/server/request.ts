import type { IncomingMessage, ServerResponse } from 'node:http';
import { KontikiError, type SessionCall } from '@kontiki/core';
import { parsePlace, SESSION_HEADER } from '../session-header.js';

/**
 * Returns the place of a request's command in the session of its client, for the option `session` of
 * `execute` and `SessionClient.propose`. Undefined if the request has no header `Kontiki-Session`.
 * Throws `KONTIKI_BAD_INPUT` if the header is invalid.
 */
export function sessionOf({ headers }: IncomingMessage): SessionCall | undefined {
  const value = headers[SESSION_HEADER];
  if (value === undefined) return undefined;
  const place = typeof value === 'string' ? parsePlace(value) : undefined;
  if (place !== undefined) return place;
  const text = 'Kontiki-Session must be SESSION SEQUENCE SETTLED, three integers, and SETTLED below SEQUENCE.';
  throw new KontikiError('KONTIKI_BAD_INPUT', text);
}

/**
 * Returns a signal that is aborted when the client closes the connection before the response. A
 * command that waits for a leader is then not proposed.
 */
export function disconnectSignal(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => controller.abort());
  if (response.destroyed) controller.abort();
  return controller.signal;
}

/**
 * Reads and parses a JSON body of at most `limit` bytes. Resolves with undefined if the client closes
 * the connection first. Rejects with `KONTIKI_TOO_LARGE` or `KONTIKI_BAD_INPUT`.
 */
export async function readJson(request: IncomingMessage, limit: number): Promise<unknown> {
  if (request.readableEnded) {
    const text = 'The body was read before this handler. Mount the handler before body parsers.';
    throw new Error(text);
  }
  const text = await readText(request, limit);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new KontikiError('KONTIKI_BAD_INPUT', 'The body must be JSON.');
  }
}

function readText(request: IncomingMessage, limit: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let body = Buffer.alloc(0);
    let length = 0;
    const onData = (chunk: Buffer): void => {
      const start = length;
      length += chunk.length;
      if (length > limit) {
        request.pause().off('data', onData);
        return reject(new KontikiError('KONTIKI_TOO_LARGE', `The body has more than ${limit} bytes.`));
      }
      // A list of chunks would use about a hundred bytes of memory per chunk, even for one byte.
      if (length > body.length) body = Buffer.concat([body.subarray(0, start)], Math.min(limit, 2 * length));
      body.set(chunk, start);
    };
    request.on('data', onData);
    request.once('end', () => resolve(body.toString('utf8', 0, length)));
    request.once('close', () => resolve(undefined));
    request.once('error', () => resolve(undefined));
  });
}
