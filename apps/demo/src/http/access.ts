import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { HttpError } from './responses.js';

/**
 * The tokens that clients of a node need. Without a token, the node serves every client that can
 * connect to the port.
 */
export interface AccessOptions {
  readonly token?: string | undefined;
  /** Token for calls that affect the node rather than the data. Default: `token`. */
  readonly adminToken?: string | undefined;
}

/** Decides which requests a node serves. */
export class Access {
  readonly #token: Buffer | undefined;
  readonly #adminToken: Buffer | undefined;

  constructor({ token, adminToken = token }: AccessOptions = {}) {
    this.#token = token === undefined ? undefined : digest(token);
    this.#adminToken = adminToken === undefined ? undefined : digest(adminToken);
  }

  /** Throws an `HttpError` if the node must not serve the request. */
  check({ method, headers }: IncomingMessage, isAdmin: boolean): void {
    // A web page could send simple requests to this port, even though it could not read the
    // responses.
    if (headers.origin !== undefined && method !== 'GET' && method !== 'HEAD')
      throw new HttpError(403, 'ORIGIN', 'Requests from browsers must not change anything.');
    const expected = isAdmin ? this.#adminToken : this.#token;
    if (expected === undefined) return;
    const [, given = ''] = /^Bearer ([^ ]+)$/.exec(headers.authorization ?? '') ?? [];
    // Digests all have the same length, so the comparison reveals nothing about the token.
    if (!timingSafeEqual(digest(given), expected))
      throw new HttpError(401, 'TOKEN', `This call needs the ${isAdmin ? 'admin ' : ''}token of the node.`);
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
