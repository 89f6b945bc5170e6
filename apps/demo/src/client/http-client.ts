import { Agent, request as requestPlain, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as requestSecure } from 'node:https';
import { TLSSocket } from 'node:tls';
import { CliError, COMMAND } from '../cli.js';

export interface NodeRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** The part of the URL after the host, for example `/kv/greeting`. */
  readonly path: string;
  readonly body?: string | Uint8Array | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface NodeResponse<Body = Buffer> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Body;
}

/** Thrown when a request received no complete response. */
export class NoResponseError extends Error {
  /** Whether the node may have received the request. If it was never sent, it had no effect. */
  readonly sent: boolean;

  constructor(url: string, sent: boolean, cause: unknown) {
    const { code, message } = cause as NodeJS.ErrnoException;
    super(`${sent ? `no answer from ${url}` : `cannot connect to ${url}`} (${code ?? message})`, { cause });
    this.sent = sent;
  }
}

export interface HttpClientOptions {
  /** Headers to send with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The only certificate authority to trust, in PEM format. Default: the system's authorities. */
  readonly ca?: string | undefined;
}

/**
 * Sends requests to nodes over HTTP or HTTPS, and reuses open connections.
 *
 * Every request rejects with a `NoResponseError` if the node does not answer, and with a `CliError`
 * if the node's certificate is not trusted.
 */
export class HttpClient {
  readonly #headers: Readonly<Record<string, string>>;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #secureAgent: SecureAgent;

  constructor({ headers = {}, ca }: HttpClientOptions = {}) {
    this.#headers = headers;
    this.#secureAgent = new SecureAgent({ keepAlive: true, minVersion: 'TLSv1.2', ca });
  }

  /** Sends a request to one node. The whole response must arrive within `limitMs`. */
  async send(url: string, request: NodeRequest, limitMs: number): Promise<NodeResponse> {
    const { response, timer } = await this.#open(url, request, limitMs);
    try {
      return { ...headOf(response), body: Buffer.concat(await response.toArray()) };
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
  async stream(url: string, request: NodeRequest, limitMs: number): Promise<NodeResponse<AsyncIterable<Uint8Array>>> {
    const { response, timer } = await this.#open(url, request, limitMs);
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
  ): Promise<{ readonly response: IncomingMessage; readonly timer: NodeJS.Timeout }> {
    return new Promise((resolve, reject) => {
      const isSecure = url.startsWith('https:');
      const options = { method, headers: { ...this.#headers, ...headers } };
      const request = isSecure
        ? requestSecure(url + path, { ...options, agent: this.#secureAgent })
        : requestPlain(url + path, { ...options, agent: this.#agent });
      let stream: IncomingMessage | typeof request = request;
      const timer = setTimeout(() => stream.destroy(new Error(`no data for ${limitMs} ms`)), limitMs);
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

function headOf({ statusCode = 0, headers }: IncomingMessage): Omit<NodeResponse, 'body'> {
  return { status: statusCode, headers };
}

function untrusted(url: string, cause: Error): CliError {
  return new CliError(
    `The certificate of ${url} is not trusted: ${cause.message}. Nothing was sent. Name the authority of the cluster with --ca FILE (a demo has it in DATA/tls/authority.pem), or renew the certificate: ${COMMAND} cert --help`,
    undefined,
    { cause },
  );
}
