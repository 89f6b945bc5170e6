import { buffer, text } from 'node:stream/consumers';
import { NoResponseError, type HttpClient, type NodeRequest, type NodeResponse } from '@kontiki/client';
import { CliError, EXIT } from '../cli.js';
import { messageIn } from './message.js';

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
  /** Size of the snapshot in bytes, as announced by the node. */
  readonly totalBytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
}

type StreamedResponse = NodeResponse<AsyncIterable<Uint8Array>>;

/**
 * Downloads the newest snapshot from the first node that answers, or requests a new snapshot there.
 * Snapshots are local to each node.
 */
export class SnapshotClient {
  readonly #http: HttpClient;
  readonly #urls: readonly string[];
  readonly #timeoutMs: number;

  /** If no data arrives from a node for `timeoutMs`, the client tries the next node. */
  constructor(http: HttpClient, urls: readonly string[], timeoutMs: number) {
    this.#http = http;
    this.#urls = urls;
    this.#timeoutMs = timeoutMs;
  }

  /** Takes a snapshot. Resolves when the snapshot is durable on the node. */
  async take(): Promise<TakenSnapshot> {
    const { url, response } = await this.#request('POST');
    return { url, ...(JSON.parse(await text(response.body)) as Omit<TakenSnapshot, 'url'>) };
  }

  /** Starts downloading a node's newest snapshot. */
  async download(): Promise<SnapshotDownload> {
    const { url, response } = await this.#request('GET');
    async function* chunks(): AsyncGenerator<Uint8Array, void> {
      try {
        yield* response.body;
      } catch (cause) {
        throw new CliError(
          `The download from ${url} was interrupted: ${(cause as Error).message}. No file was saved. Try again.`,
          EXIT.failed,
          { cause },
        );
      }
    }
    return { url, totalBytes: Number(response.headers['content-length']), chunks: chunks() };
  }

  async #request(method: NodeRequest['method']): Promise<{ url: string; response: StreamedResponse }> {
    const failures: string[] = [];
    for (const url of this.#urls) {
      let response: StreamedResponse;
      try {
        response = await this.#http.stream(url, { method, path: '/snapshot' }, this.#timeoutMs);
      } catch (error) {
        if (!(error instanceof NoResponseError)) throw error;
        failures.push(error.message);
        continue;
      }
      if (response.status === 200) return { url, response };
      throw new CliError(`${url} refused with status ${response.status}: ${messageIn(await buffer(response.body))}`);
    }
    throw new CliError(`No node can be reached: ${failures.join(', ')}. Check that the cluster is running.`);
  }
}
