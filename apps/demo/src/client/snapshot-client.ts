import { CliError, EXIT } from '../cli.js';

export interface Taken {
  readonly url: string;
  readonly index: number;
  readonly term: number;
  readonly bytes: number;
}

/** A snapshot that comes from a node. */
export interface Coming {
  readonly url: string;
  /** Bytes that were announced. */
  readonly total: number;
  readonly pieces: AsyncIterable<Uint8Array>;
}

/** Asks the first node that is reached: snapshots are each server's own. */
export class SnapshotClient {
  readonly #urls: readonly string[];
  readonly #timeout: number;

  /** `timeout`: milliseconds that a node may be silent. */
  constructor(urls: readonly string[], timeout: number) {
    this.#urls = urls;
    this.#timeout = timeout;
  }

  /** Resolves when it is durable there. */
  async take(): Promise<Taken> {
    const { url, response } = await this.#ask('POST', AbortSignal.timeout(this.#timeout));
    return { url, ...((await response.json()) as Omit<Taken, 'url'>) };
  }

  async newest(): Promise<Coming> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(new Error(`silent for ${this.#timeout} ms`)), this.#timeout);
    const asked = await this.#ask('GET', silence.signal).catch((error: unknown) => {
      clearTimeout(timer);
      throw error;
    });
    const { url, response } = asked;
    async function* pieces(): AsyncGenerator<Uint8Array, void> {
      try {
        for await (const piece of response.body ?? []) {
          timer.refresh();
          yield piece as Uint8Array;
        }
      } catch (error) {
        const cause = reasonOf(error);
        throw new CliError(`${url} broke off in the middle: ${cause.message}. Try again.`, EXIT.failed, { cause });
      } finally {
        clearTimeout(timer);
      }
    }
    return { url, total: Number(response.headers.get('content-length')), pieces: pieces() };
  }

  async #ask(method: 'GET' | 'POST', signal: AbortSignal): Promise<{ url: string; response: Response }> {
    const why: string[] = [];
    for (const url of this.#urls) {
      let response: Response;
      try {
        response = await fetch(`${url}/snapshot`, { method, signal });
      } catch (error) {
        why.push(`${url} does not answer (${reasonOf(error).message})`);
        continue;
      }
      if (response.ok) return { url, response };
      throw new CliError(`${url} refuses: ${await refusal(response)}`);
    }
    throw new CliError(`No node is reached: ${why.join(', ')}.`);
  }
}

/** What `fetch` says is in its cause, if there is one. */
function reasonOf(error: unknown): Error {
  const { cause } = error as Error;
  return cause instanceof Error ? cause : (error as Error);
}

async function refusal(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return (JSON.parse(text) as { error: { message: string } }).error.message;
  } catch {
    // Not one of ours: said as it came.
    return `${response.status} ${text.slice(0, 200)}`;
  }
}
