import { Agent, request as requestPlain, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as requestSecure } from 'node:https';
import { TLSSocket, type SecureContextOptions } from 'node:tls';
import { MAX_DELAY } from './call.js';
import { ClientError } from './errors.js';

export interface NodeRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** The part of the URL after the node's URL, for example `/kv/greeting`. */
  readonly path: string;
  readonly body?: string | Uint8Array | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface NodeResponse<Body = Buffer> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Body;
}

/** The error of a request that received no complete response. */
export class NoResponseError extends Error {
  /** Whether the node may have received the request. If it was never sent, it had no effect. */
  readonly sent: boolean;

  constructor(url: string, sent: boolean, cause: unknown) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'ABORT_ERR' ? 'the call has ended' : (code ?? message);
    super(`${sent ? `no answer from ${url}` : `cannot connect to ${url}`} (${why})`, { cause });
    this.name = 'NoResponseError';
    this.sent = sent;
  }
}

export interface HttpClientOptions {
  /** The token to send as `Authorization: Bearer TOKEN`. */
  readonly token?: string | undefined;
  /**
   * Certificates for HTTPS, in PEM format: `ca` is the only authority to trust, and `cert` and `key`
   * identify this client. Default: the authorities of the system, and no certificate.
   */
  readonly tls?: Pick<SecureContextOptions, 'ca' | 'cert' | 'key'> | undefined;
}

/** Maximum length of a response that is kept in memory, in bytes. */
export const MAX_BODY: number = 64 * 1024 * 1024;

/**
 * Sends requests to nodes over HTTP or HTTPS, and reuses open connections.
 *
 * Every request rejects with a `NoResponseError` if the node does not answer, and with
 * `KONTIKI_UNTRUSTED` if the node's certificate is not trusted.
 */
export class HttpClient {
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #secureAgent: SecureAgent;

  constructor({ token, tls }: HttpClientOptions = {}) {
    this.#headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    this.#secureAgent = new SecureAgent({ keepAlive: true, minVersion: 'TLSv1.2', ...tls });
  }

  /**
   * Sends a request to one node. The whole response, of at most 64 MiB, must arrive within `limitMs`
   * and before the signal is aborted.
   */
  async send(url: string, request: NodeRequest, limitMs: number, signal?: AbortSignal): Promise<NodeResponse> {
    const { response, timer } = await this.#open(url, request, limitMs, signal);
    try {
      return { ...headOf(response), body: await collect(response) };
    } catch (error) {
      throw new NoResponseError(url, true, error);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Sends a request to one node and returns the response body as a stream, which must be read. The
   * request or the stream fails after `limitMs` without data.
   */
  async stream(
    url: string,
    request: NodeRequest,
    limitMs: number,
    signal?: AbortSignal,
  ): Promise<NodeResponse<AsyncIterable<Uint8Array>>> {
    const { response, timer } = await this.#open(url, request, limitMs, signal);
    async function* body(): AsyncGenerator<Uint8Array, void> {
      try {
        for await (const chunk of response) {
          timer.refresh();
          yield chunk as Uint8Array;
        }
      } finally {
        clearTimeout(timer);
      }
    }
    return { ...headOf(response), body: body() };
  }

  /** Closes all connections. */
  close(): void {
    this.#agent.destroy();
    this.#secureAgent.destroy();
  }

  /**
   * Resolves when the response head has arrived. If `timer` expires, the request fails, or reading
   * its response fails.
   */
  #open(
    url: string,
    { method, path, body, headers }: NodeRequest,
    limitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly response: IncomingMessage; readonly timer: NodeJS.Timeout }> {
    return new Promise((resolve, reject) => {
      const isSecure = url.startsWith('https:');
      const options = {
        method,
        headers: { ...this.#headers, ...headers },
        ...(signal === undefined ? {} : { signal }),
      };
      const request = isSecure
        ? requestSecure(url + path, { ...options, agent: this.#secureAgent })
        : requestPlain(url + path, { ...options, agent: this.#agent });
      let stream: IncomingMessage | typeof request = request;
      const expire = (): void => void stream.destroy(new Error(`no data for ${limitMs} ms`));
      const timer = setTimeout(expire, Math.min(limitMs, MAX_DELAY));
      let sent = false;
      request.on('socket', (socket) => {
        // The agent may use an open connection for the request.
        if (socket.connecting) socket.once(isSecure ? 'secureConnect' : 'connect', () => (sent = true));
        else sent = true;
      });
      request.on('response', (response) => {
        stream = response;
        resolve({ response, timer });
      });
      // If the response has already started, reading the response reports the error.
      request.on('error', (error) => {
        if (stream !== request) return;
        clearTimeout(timer);
        const isUntrusted = request.socket instanceof TLSSocket && Boolean(request.socket.authorizationError);
        reject(isUntrusted ? untrusted(url, error) : new NoResponseError(url, sent, error));
      });
      request.end(body);
    });
  }
}

/** Returns the whole body of a response. Rejects if it has more than `MAX_BODY` bytes. */
export async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MAX_BODY) throw new Error(`the response has more than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function headOf({ statusCode = 0, headers }: IncomingMessage): Omit<NodeResponse, 'body'> {
  return { status: statusCode, headers };
}

function untrusted(url: string, cause: Error): ClientError {
  const text = `The certificate of ${url} is not trusted: ${cause.message}. Nothing was sent.`;
  return new ClientError('KONTIKI_UNTRUSTED', text, { cause });
}
