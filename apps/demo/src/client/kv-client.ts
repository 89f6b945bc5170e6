import { setTimeout as delay } from 'node:timers/promises';
import { CliError, EXIT } from '../cli.js';
import { errorMessageOf, withoutPeriod } from './error-message.js';

export interface KvRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** The part of the URL after the host, for example `/kv/greeting`. */
  readonly path: string;
  readonly body?: Uint8Array | undefined;
  readonly headers?: Record<string, string> | undefined;
}

export interface KvResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

const MAX_REDIRECTS = 5;

/**
 * Client of a cluster, which can start from any node. It follows redirects to the leader and
 * retries requests that certainly had no effect. If a write may have taken effect, it throws
 * instead of retrying.
 */
export class KvClient {
  readonly #urls: readonly string[];
  readonly #timeoutMs: number;
  readonly #onWaiting: (reason: string) => void;
  readonly #authorization: Readonly<Record<string, string>>;

  /**
   * `timeoutMs` limits the duration of a whole request, including retries. `onWaiting` is called
   * once per request that takes longer than a second.
   */
  constructor(
    urls: readonly string[],
    timeoutMs: number,
    authorization: Readonly<Record<string, string>>,
    onWaiting: (reason: string) => void,
  ) {
    this.#urls = urls;
    this.#timeoutMs = timeoutMs;
    this.#onWaiting = onWaiting;
    this.#authorization = authorization;
  }

  async send(request: KvRequest): Promise<KvResponse> {
    const deadline = Date.now() + this.#timeoutMs;
    let reason = 'no node has answered';
    const waiting = setTimeout(() => this.#onWaiting(reason), 1_000);
    try {
      for (let attempt = 0; Date.now() < deadline; attempt += 1) {
        const url = this.#urls[attempt % this.#urls.length] as string;
        const response = await this.#attempt(url + request.path, request, deadline - Date.now());
        if (typeof response !== 'string') return response;
        reason = response;
        await delay(Math.min(1_000, 50 * 1.5 ** attempt) * (0.5 + Math.random()));
      }
    } finally {
      clearTimeout(waiting);
    }
    const unchanged = request.method === 'GET' ? '' : ' Nothing was written.';
    throw new CliError(
      `Gave up after ${this.#timeoutMs} ms: ${reason}.${unchanged} Check that a majority of the nodes is running.`,
    );
  }

  /**
   * Returns the response. If the request failed and certainly had no effect, returns the reason
   * instead.
   */
  async #attempt(first: string, request: KvRequest, timeoutMs: number): Promise<KvResponse | string> {
    let url = first;
    const signal = AbortSignal.timeout(Math.max(1, timeoutMs));
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      let response: Response;
      try {
        const { method, body } = request;
        const headers = { ...this.#authorization, ...request.headers };
        response = await fetch(url, { method, headers, body: body ?? null, redirect: 'manual', signal });
        if (response.status === 503) return `${url} refused: ${withoutPeriod(errorMessageOf(await response.text()))}`;
        if (response.status === 504) throw unknownOutcome(errorMessageOf(await response.text()));
        if (response.status !== 307) {
          return {
            status: response.status,
            headers: response.headers,
            body: new Uint8Array(await response.arrayBuffer()),
          };
        }
      } catch (error) {
        if (error instanceof CliError) throw error;
        // A request that never connected had no effect. After any other failure the node may have
        // received it.
        const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
        if (neverSent(cause)) return `cannot connect to ${url} (${cause?.code ?? cause?.message})`;
        const failure = `${url} did not answer (${cause?.code ?? (error as Error).message})`;
        if (request.method === 'GET') return failure;
        throw unknownOutcome(failure);
      }
      url = response.headers.get('location') ?? first;
    }
    return `nodes redirect to each other in a loop, starting at ${first}`;
  }
}

/**
 * Returns whether the request was never sent, because the host was not found, the connection was
 * refused, or `fetch` blocks the port.
 */
function neverSent(cause: NodeJS.ErrnoException | undefined): boolean {
  return cause?.code === 'ECONNREFUSED' || cause?.syscall === 'getaddrinfo' || cause?.message === 'bad port';
}

function unknownOutcome(reason: string): CliError {
  return new CliError(
    `UNKNOWN: the write may or may not have taken effect (${withoutPeriod(reason)}). Read the key before you write it again.`,
    EXIT.unknown,
  );
}
