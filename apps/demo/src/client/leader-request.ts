import { errorMessageOf, withoutPeriod } from './error-message.js';
import { NoResponseError, type HttpClient, type NodeRequest, type NodeResponse } from './http-client.js';

/**
 * Outcome of a request to the leader. A `refused` request certainly had no effect. An `unknown`
 * request may have had an effect. `by` is the URL of the node that answered.
 */
export type RequestOutcome =
  | { readonly kind: 'answered'; readonly response: NodeResponse; readonly by: string }
  | { readonly kind: 'refused' | 'unknown'; readonly reason: string };

const MAX_REDIRECTS = 5;

/**
 * Sends a request to the node at `firstUrl` and follows redirects to the leader, all within
 * `limitMs`. Does not retry.
 */
export async function requestFromLeader(
  client: HttpClient,
  firstUrl: string,
  request: NodeRequest,
  limitMs: number,
): Promise<RequestOutcome> {
  const deadline = Date.now() + limitMs;
  let url = firstUrl;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    let response: NodeResponse;
    try {
      response = await client.send(url, request, Math.max(1, deadline - Date.now()));
    } catch (error) {
      if (!(error instanceof NoResponseError)) throw error;
      return { kind: error.sent ? 'unknown' : 'refused', reason: error.message };
    }
    const { status, headers } = response;
    if (status === 503 || status === 504) {
      const message = withoutPeriod(errorMessageOf(response.body.toString()));
      return status === 503
        ? { kind: 'refused', reason: `${url} refused: ${message}` }
        : { kind: 'unknown', reason: message };
    }
    if (status !== 307) return { kind: 'answered', response, by: url };
    const { location = '' } = headers;
    url = URL.canParse(location) ? new URL(location).origin : firstUrl;
  }
  return { kind: 'refused', reason: `nodes redirect to each other in a loop, starting at ${firstUrl}` };
}

/**
 * Outcome of a PUT. `leader` is the URL of the node that accepted the write. Later requests should
 * try this node first.
 */
export interface PutOutcome {
  readonly kind: 'done' | 'refused' | 'unknown';
  readonly leader?: string | undefined;
}

/** Maximum duration of a PUT request in milliseconds. */
const PUT_LIMIT = 3_000;

/** Sets a key with a PUT request. */
export async function put(
  client: HttpClient,
  firstUrl: string,
  key: string,
  value: string | Uint8Array,
): Promise<PutOutcome> {
  const request = { method: 'PUT', path: `/kv/${key}`, body: value } as const;
  const outcome = await requestFromLeader(client, firstUrl, request, PUT_LIMIT);
  if (outcome.kind !== 'answered') return outcome;
  return outcome.response.status === 204 ? { kind: 'done', leader: outcome.by } : { kind: 'refused' };
}
