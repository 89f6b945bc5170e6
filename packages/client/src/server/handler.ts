import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  isCommandError,
  isKontikiError,
  jsonCodec,
  KontikiError,
  silentLogger,
  type Applied,
  type Definition,
  type Logger,
  type TypedNode,
} from '@kontiki/core';
import { Watches } from './changes.js';
import { disconnectSignal, readJson, sessionOf } from './request.js';
import { statusOf } from './status.js';

export interface HandlerOptions {
  /** The part of the path before the routes, for example `/kontiki`. Default: none. */
  readonly prefix?: string | undefined;
  /** The token that clients must send. By default, every client is served. */
  readonly token?: string | undefined;
  /** Maximum size of a request body in bytes. Default 1 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** Milliseconds that a call may wait for a leader and a quorum. Default 2,500. */
  readonly timeout?: number | undefined;
  /** Maximum number of watches in progress. Default 256. */
  readonly maxWatches?: number | undefined;
  /** Logs the causes of responses with status 500. Default: logs nothing. */
  readonly logger?: Pick<Logger, 'error'> | undefined;
}

/** The methods of a node, without the types of its state machine. */
type Node = Pick<TypedNode<Definition>, 'openSession' | 'raft'> & {
  execute(name: string, input: unknown, options: object): Promise<Applied<unknown>>;
  query(name: string, input: unknown, options: object): Promise<Applied<unknown>>;
};

/** An error that has an HTTP status of its own. */
class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/**
 * Returns a request listener that serves the commands and queries of a node to `Client`. Every node
 * serves every request. The listener reads the bodies, so mount it before body parsers.
 */
export function handler<D extends Definition>(
  node: TypedNode<D>,
  options: HandlerOptions = {},
): (request: IncomingMessage, response: ServerResponse) => void {
  const { logger = silentLogger } = options;
  const routes = new Routes(node as unknown as Node, options);
  return (request, response) => {
    routes.answer(request, response).then(
      (text) => text === undefined || send(request, response, 200, text),
      (error: unknown) => {
        const { status, code, message } = explain(error);
        if (status === 500) logger.error('a request failed', { url: request.url, error });
        send(request, response, status, JSON.stringify({ error: { code, message } }));
      },
    );
  };
}

class Routes {
  readonly #node: Node;
  readonly #prefix: string;
  readonly #token: Buffer | undefined;
  readonly #maxBodyBytes: number;
  readonly #timeout: number;
  readonly #watches: Watches;

  constructor(node: Node, options: HandlerOptions) {
    const { prefix = '', token, maxBodyBytes = 1024 * 1024, timeout = 2_500, maxWatches = 256 } = options;
    this.#node = node;
    this.#prefix = prefix;
    this.#token = token === undefined ? undefined : digest(token);
    this.#maxBodyBytes = maxBodyBytes;
    this.#timeout = timeout;
    this.#watches = new Watches(node.raft, maxWatches);
  }

  /** Resolves with the body of the response. Undefined if the response was sent, or the client has gone. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<string | undefined> {
    this.#checkToken(request);
    const [path = ''] = (request.url ?? '').split('?', 1);
    const route = path.startsWith(`${this.#prefix}/`) ? path.slice(this.#prefix.length) : '';
    const [, kind, name = ''] = /^\/(sessions|(?:execute|query|watch)(?=\/))(?:\/([^/]+))?$/.exec(route) ?? [];
    if (kind === undefined || (kind === 'sessions') !== (name === ''))
      throw new Refusal(
        404,
        'KONTIKI_BAD_INPUT',
        'The paths are /sessions, /execute/NAME, /query/NAME and /watch/NAME.',
      );
    if (request.method !== 'POST') throw new Refusal(405, 'KONTIKI_BAD_INPUT', `${path} supports only POST.`);
    // Browsers send this type to other sites only if those allow it.
    if (!/^application\/json\b/i.test(request.headers['content-type'] ?? ''))
      throw new Refusal(415, 'KONTIKI_BAD_INPUT', 'The Content-Type must be application/json.');
    const limits = { timeout: this.#timeout, signal: disconnectSignal(response) };
    if (kind === 'sessions') return JSON.stringify({ session: await this.#node.openSession(limits) });
    const session = sessionOf(request);
    const body = await readJson(request, this.#maxBodyBytes);
    if (body === undefined) return undefined;
    const { input, consistency, minIndex, ...others } = fieldsOf(body);
    const read = { consistency, minIndex };
    const [unknown] = Object.keys(kind !== 'execute' ? others : { ...others, ...given(read) });
    if (unknown !== undefined) throw badInput(`There is no field ${JSON.stringify(unknown)}.`);
    if (kind === 'query') return encode(await this.#node.query(decode(name), input, { ...limits, ...given(read) }));
    if (kind === 'watch') return this.#watch(response, decode(name), input, given(read));
    return encode(await this.#node.execute(decode(name), input, { ...limits, session }));
  }

  async #watch(response: ServerResponse, name: string, input: unknown, read: object): Promise<undefined> {
    await this.#watches.send(response, async (isFirst) => {
      const limits = { timeout: this.#timeout, ...(isFirst ? read : { consistency: 'local' }) };
      const { index, result } = await this.#node.query(name, input, limits);
      return { index, json: toJson(result ?? null) };
    });
    return undefined;
  }

  #checkToken({ headers }: IncomingMessage): void {
    if (this.#token === undefined) return;
    const [, token = ''] = /^Bearer ([^ ]+)$/.exec(headers.authorization ?? '') ?? [];
    // Digests all have the same length, so the comparison reveals nothing about the token.
    if (!timingSafeEqual(digest(token), this.#token))
      throw new Refusal(401, 'KONTIKI_UNAUTHORIZED', 'This call needs the token of the service.');
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    throw badInput('The name must be percent-encoded UTF-8.');
  }
}

function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw badInput('The body must be an object.');
  return body as Readonly<Record<string, unknown>>;
}

/** Returns the fields whose value is not undefined. */
function given(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function encode({ index, term, result }: Applied<unknown>): string {
  const position = `"index":${index},"term":${term}`;
  return result === undefined ? `{${position}}` : `{${position},"result":${toJson(result)}}`;
}

/** Encodes a result. Throws if JSON would change it. A command was applied nevertheless. */
function toJson(result: unknown): string {
  try {
    return Buffer.from(jsonCodec.encode(result)).toString();
  } catch (error) {
    const text = `The call succeeded, but its result cannot be sent as JSON. ${(error as Error).message}`;
    throw new KontikiError('KONTIKI_RESULT_LOST', text, { cause: error });
  }
}

function badInput(text: string): KontikiError {
  return new KontikiError('KONTIKI_BAD_INPUT', text);
}

/** Returns the status and the error that a client receives. */
function explain(error: unknown): { readonly status: number; readonly code: string; readonly message: string } {
  if (error instanceof Refusal) return error;
  if (isCommandError(error)) return { status: 422, code: error.code, message: error.message };
  const status = isKontikiError(error) ? statusOf(error.code) : undefined;
  if (status !== undefined) return { status, code: (error as KontikiError).code, message: (error as Error).message };
  const code = isKontikiError(error) ? error.code : 'INTERNAL';
  return { status: 500, code, message: 'The node failed to handle the request. Its log has the reason.' };
}

function send(request: IncomingMessage, response: ServerResponse, status: number, body: string): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    // The rest of a refused request body is not read, so the connection cannot be reused.
    ...(request.complete ? {} : { Connection: 'close' }),
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
    ...(status === 503 ? { 'Retry-After': '1' } : {}),
  });
  response.end(body);
}
