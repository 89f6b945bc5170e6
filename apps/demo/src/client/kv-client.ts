import { setTimeout as delay } from 'node:timers/promises';
import { CliError, EXIT } from '../cli.js';
import type { HttpClient, NodeRequest, NodeResponse } from './http-client.js';
import { requestFromLeader } from './leader-request.js';

/**
 * Client of a cluster. It can start from any node, follows redirects to the leader, and retries
 * requests that certainly had no effect. If a write may have taken effect, it throws instead of
 * retrying.
 */
export class KvClient {
  readonly #http: HttpClient;
  readonly #urls: readonly string[];
  readonly #timeoutMs: number;
  readonly #onWaiting: (reason: string) => void;
  readonly #stop: AbortSignal | undefined;

  /**
   * `timeoutMs` limits the duration of a whole request, including retries. `onWaiting` is called
   * once per request that takes longer than a second. Requests end early when `stop` is aborted.
   */
  constructor(
    http: HttpClient,
    urls: readonly string[],
    timeoutMs: number,
    onWaiting: (reason: string) => void,
    stop?: AbortSignal,
  ) {
    this.#http = http;
    this.#urls = urls;
    this.#timeoutMs = timeoutMs;
    this.#onWaiting = onWaiting;
    this.#stop = stop;
  }

  async send(request: NodeRequest): Promise<NodeResponse> {
    const isRead = request.method === 'GET';
    // A read can be repeated safely, so limit the time spent on each node. If one node hangs, there
    // is still time to try the others.
    const attemptMs = isRead ? this.#timeoutMs / this.#urls.length : this.#timeoutMs;
    const deadline = Date.now() + this.#timeoutMs;
    let reason = 'no node has answered';
    const waiting = setTimeout(() => this.#onWaiting(reason), 1_000);
    try {
      for (let attempt = 0; Date.now() < deadline && this.#stop?.aborted !== true; attempt += 1) {
        const url = this.#urls[attempt % this.#urls.length] as string;
        const limitMs = Math.min(attemptMs, deadline - Date.now());
        const outcome = await requestFromLeader(this.#http, url, request, limitMs);
        if (outcome.kind === 'answered') return outcome.response;
        reason = outcome.reason;
        if (outcome.kind === 'unknown' && !isRead) throw unknownOutcome(reason);
        await delay(Math.min(1_000, 50 * 1.5 ** attempt) * (0.5 + Math.random()));
      }
    } finally {
      clearTimeout(waiting);
    }
    const unchanged = isRead ? '' : ' Nothing was written.';
    throw new CliError(
      `Gave up after ${this.#timeoutMs} ms: ${reason}.${unchanged} Check that a majority of the nodes is running.`,
    );
  }
}

function unknownOutcome(reason: string): CliError {
  return new CliError(
    `UNKNOWN: the write may or may not have taken effect (${reason}). Read the key before you write it again.`,
    EXIT.unknown,
  );
}
