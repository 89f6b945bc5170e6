import { setTimeout as delay } from 'node:timers/promises';
import { CliError, EXIT } from '../cli.js';

export interface KvRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  /** The part behind the host: `/kv/greeting`. */
  readonly path: string;
  readonly body?: Uint8Array | undefined;
  readonly headers?: Record<string, string> | undefined;
}

export interface KvAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

const MAX_REDIRECTS = 5;

/**
 * Talks to a cluster by any of its nodes: follows the way to the leader, tries again what was surely refused, and
 * reports an unknown outcome as such instead of trying again.
 */
export class KvClient {
  readonly #urls: readonly string[];
  readonly #timeout: number;

  /** `timeout`: milliseconds for the whole of a request, retries included. */
  constructor(urls: readonly string[], timeout: number) {
    this.#urls = urls;
    this.#timeout = timeout;
  }

  async send(request: KvRequest): Promise<KvAnswer> {
    const deadline = Date.now() + this.#timeout;
    let why = 'no node answered';
    for (let attempt = 0; Date.now() < deadline; attempt += 1) {
      const url = this.#urls[attempt % this.#urls.length] as string;
      const answer = await this.#try(url + request.path, request, deadline - Date.now());
      if (typeof answer !== 'string') return answer;
      why = answer;
      await delay(Math.min(1_000, 50 * 1.5 ** attempt) * (0.5 + Math.random()));
    }
    const kept = request.method === 'GET' ? '' : ' Nothing was written.';
    throw new CliError(`Refused until the time was up: ${why}.${kept}`);
  }

  /** An answer, or why it was surely refused. */
  async #try(first: string, request: KvRequest, timeout: number): Promise<KvAnswer | string> {
    let url = first;
    const signal = AbortSignal.timeout(Math.max(1, timeout));
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      let response: Response;
      try {
        const { method, headers = {}, body } = request;
        response = await fetch(url, { method, headers, body: body ?? null, redirect: 'manual', signal });
        if (response.status === 503) return `${url} says: ${(await response.text()).trim()}`;
        if (response.status === 504) throw unknownOutcome(await response.text());
        if (response.status !== 307) {
          return {
            status: response.status,
            headers: response.headers,
            body: new Uint8Array(await response.arrayBuffer()),
          };
        }
      } catch (error) {
        if (error instanceof CliError) throw error;
        // What never connected has carried nothing; any other failure may have come after the node took the request.
        const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
        if (neverSent(cause)) return `${url} is not reached (${cause?.code ?? cause?.message})`;
        if (request.method === 'GET') return `${url} did not answer (${cause?.code ?? (error as Error).message})`;
        throw unknownOutcome(`${url} did not answer (${cause?.code ?? (error as Error).message})`);
      }
      url = response.headers.get('location') ?? first;
    }
    return 'the nodes send each other round in circles';
  }
}

/** No name, no route, nobody who listens, or a port that `fetch` does not use. */
function neverSent(cause: NodeJS.ErrnoException | undefined): boolean {
  return cause?.code === 'ECONNREFUSED' || cause?.syscall === 'getaddrinfo' || cause?.message === 'bad port';
}

function unknownOutcome(why: string): CliError {
  return new CliError(
    `UNKNOWN: the write may or may not have been carried out. Read before you repeat it. ${why.trim()}`,
    EXIT.unknown,
  );
}
