import { request as httpRequest, type Agent, type IncomingHttpHeaders } from 'node:http';

export interface NodeResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface NodeRequest {
  readonly method: 'GET' | 'PUT';
  /** The part of the URL after the host, for example `/kv/greeting`. */
  readonly path: string;
  readonly body?: string | Uint8Array | undefined;
  readonly headers?: Record<string, string> | undefined;
}

/**
 * Outcome of a request to the leader. A `refused` request certainly had no effect. An `unknown`
 * request may have had an effect. `by` is the URL of the node that answered.
 */
export type RequestOutcome =
  | { readonly kind: 'answered'; readonly response: NodeResponse; readonly by: string }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' };

/** Milliseconds without any data after which a request fails. */
const RESPONSE_TIMEOUT = 3_000;
const MAX_REDIRECTS = 3;

/** Sends a request to one node. Reuses the connections of `agent`. */
export function sendRequest(
  url: string,
  { method, path, body, headers = {} }: NodeRequest,
  agent: Agent,
): Promise<NodeResponse> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(url + path, { method, agent, headers, timeout: RESPONSE_TIMEOUT }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => (text += data.toString()));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    sent.on('timeout', () => sent.destroy(new Error(`no response within ${RESPONSE_TIMEOUT} ms`)));
    sent.on('error', reject);
    sent.end(body);
  });
}

/**
 * Sends a request to the node at `firstUrl` and follows redirects to the leader. Does not retry.
 */
export async function requestFromLeader(firstUrl: string, request: NodeRequest, agent: Agent): Promise<RequestOutcome> {
  let url = firstUrl;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    let response: NodeResponse;
    try {
      response = await sendRequest(url, request, agent);
    } catch (error) {
      return { kind: (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'refused' : 'unknown' };
    }
    if (response.status === 503) return { kind: 'refused' };
    if (response.status === 504) return { kind: 'unknown' };
    if (response.status !== 307) return { kind: 'answered', response, by: url };
    url = new URL(response.headers.location ?? firstUrl).origin;
  }
  return { kind: 'refused' };
}

/**
 * Outcome of a PUT. `leader` is the URL of the node that accepted the write. Later requests should
 * try this node first.
 */
export interface PutOutcome {
  readonly kind: 'done' | 'refused' | 'unknown';
  readonly leader?: string | undefined;
}

/** Sets a key. */
export async function put(
  firstUrl: string,
  key: string,
  value: string | Uint8Array,
  agent: Agent,
  headers?: Record<string, string>,
): Promise<PutOutcome> {
  const request = { method: 'PUT', path: `/kv/${key}`, body: value, headers } as const;
  const outcome = await requestFromLeader(firstUrl, request, agent);
  if (outcome.kind !== 'answered') return outcome;
  return outcome.response.status === 204 ? { kind: 'done', leader: outcome.by } : { kind: 'refused' };
}
