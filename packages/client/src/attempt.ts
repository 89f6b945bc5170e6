import { errorIn } from './errors.js';
import { NoResponseError, type HttpClient, type NodeRequest, type NodeResponse } from './http-client.js';

/**
 * The outcome of one attempt. A `refused` request certainly had no effect. An `unknown` request may
 * have had an effect.
 */
export type Outcome =
  | { readonly kind: 'answered'; readonly response: NodeResponse }
  | { readonly kind: 'refused' | 'unknown'; readonly reason: string };

const MAX_REDIRECTS = 5;

/**
 * Sends a request to the node at `first`, and follows redirects to the leader, all within `limitMs`.
 * Rejects with `KONTIKI_UNTRUSTED` if a certificate is not trusted.
 */
export async function attempt(
  http: HttpClient,
  first: string,
  request: NodeRequest,
  limitMs: number,
  signal: AbortSignal,
): Promise<Outcome> {
  const deadline = performance.now() + limitMs;
  let url = first;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    let response: NodeResponse;
    try {
      response = await http.send(url, request, Math.max(1, Math.round(deadline - performance.now())), signal);
    } catch (error) {
      if (!(error instanceof NoResponseError)) throw error;
      return { kind: error.sent ? 'unknown' : 'refused', reason: error.message };
    }
    const { status, headers, body } = response;
    if (status >= 500) {
      const error = errorIn(body);
      const reason = `${url} answered with status ${status}${error === undefined ? '' : `: ${withoutPeriod(error.message)}`}`;
      // Only a node explains its errors. A proxy may have sent the request before it failed.
      return { kind: status === 503 && error !== undefined ? 'refused' : 'unknown', reason };
    }
    if (status !== 307) return { kind: 'answered', response };
    const next = redirected(url, request.path, headers.location);
    if (next === undefined) return { kind: 'refused', reason: `${url} redirects to ${headers.location ?? 'nowhere'}` };
    url = next;
  }
  return { kind: 'refused', reason: `nodes redirect to each other in a loop, starting at ${first}` };
}

/**
 * Returns the URL of the node to which a response redirects. Undefined if the path or the protocol
 * would change, because the request may contain a token.
 */
function redirected(from: string, path: string, location = ''): string | undefined {
  if (!URL.canParse(location) || !location.endsWith(path)) return undefined;
  return new URL(location).protocol === new URL(from).protocol ? location.slice(0, -path.length) : undefined;
}

/** Removes a final period, so that the message can be quoted inside a sentence. */
function withoutPeriod(message: string): string {
  return message.trim().replace(/\.$/, '');
}
