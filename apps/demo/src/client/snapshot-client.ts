import { CliError, EXIT } from '../cli.js';
import { errorMessageOf } from './error-message.js';

/** A snapshot taken by a node on request. */
export interface TakenSnapshot {
  readonly url: string;
  readonly index: number;
  readonly term: number;
  readonly bytes: number;
}

/** A snapshot being downloaded from a node. */
export interface SnapshotDownload {
  readonly url: string;
  /** Size of the snapshot as announced by the node. */
  readonly totalBytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/**
 * Asks the first reachable node for its list of snapshots, or to take one. Snapshots are local to
 * each node.
 */
export class SnapshotClient {
  readonly #urls: readonly string[];
  readonly #timeoutMs: number;
  readonly #headers: Readonly<Record<string, string>>;

  /** `timeoutMs` is the time without data from a node after which a request fails. */
  constructor(urls: readonly string[], timeoutMs: number, headers: Readonly<Record<string, string>>) {
    this.#urls = urls;
    this.#timeoutMs = timeoutMs;
    this.#headers = headers;
  }

  /** Takes a snapshot. Resolves when it is durable on the node. */
  async take(): Promise<TakenSnapshot> {
    const { url, response } = await this.#request('POST', AbortSignal.timeout(this.#timeoutMs));
    return { url, ...((await response.json()) as Omit<TakenSnapshot, 'url'>) };
  }

  /** Starts downloading the newest snapshot of a node. */
  async download(): Promise<SnapshotDownload> {
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(new Error(`no data for ${this.#timeoutMs} ms`)), this.#timeoutMs);
    const { url, response } = await this.#request('GET', silence.signal).catch((error: unknown) => {
      clearTimeout(timer);
      throw error;
    });
    async function* chunks(): AsyncGenerator<Uint8Array, void> {
      try {
        for await (const chunk of response.body ?? []) {
          timer.refresh();
          yield chunk as Uint8Array;
        }
      } catch (error) {
        const cause = rootCause(error);
        throw new CliError(
          `The download from ${url} was interrupted: ${cause.message}. No file was saved. Try again.`,
          EXIT.failed,
          { cause },
        );
      } finally {
        clearTimeout(timer);
      }
    }
    return { url, totalBytes: Number(response.headers.get('content-length')), chunks: chunks() };
  }

  async #request(method: 'GET' | 'POST', signal: AbortSignal): Promise<{ url: string; response: Response }> {
    const failures: string[] = [];
    for (const url of this.#urls) {
      let response: Response;
      try {
        response = await fetch(`${url}/snapshot`, { method, signal, headers: this.#headers });
      } catch (error) {
        failures.push(`${url} does not answer (${rootCause(error).message})`);
        continue;
      }
      if (response.ok) return { url, response };
      throw new CliError(`${url} refused with status ${response.status}: ${errorMessageOf(await response.text())}`);
    }
    throw new CliError(`No node can be reached: ${failures.join(', ')}. Check that the cluster is running.`);
  }
}

/**
 * Returns the cause of a `fetch` error, which has the useful message. Without a cause, returns the
 * error itself.
 */
function rootCause(error: unknown): Error {
  const { cause } = error as Error;
  return cause instanceof Error ? cause : (error as Error);
}
