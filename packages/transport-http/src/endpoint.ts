import { Agent, type ClientRequest, request, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import { urlToHttpOptions } from 'node:url';
import { CONTENT_TYPE } from './settings.js';

/** Maximum number of concurrent requests to one peer: one bulk, one urgent and one poll request. */
const CONNECTIONS = 3;

/** The URL of one peer, and the connections kept open to it. */
export class Endpoint {
  readonly #agent: Agent;
  readonly #options: RequestOptions;
  readonly #request: typeof request;
  readonly #tls: () => ConnectionOptions;

  /**
   * `tls` returns the TLS options for a new connection. The options change when the certificate or
   * the secret is replaced.
   */
  constructor(url: URL, tls: () => ConnectionOptions) {
    const secure = url.protocol === 'https:';
    const options = { keepAlive: true, maxSockets: CONNECTIONS };
    this.#agent = secure ? new HttpsAgent({ ...options, maxCachedSessions: 0 }) : new Agent(options);
    this.#tls = tls;
    this.#options = { ...urlToHttpOptions(url), method: 'POST', agent: this.#agent };
    this.#request = secure ? httpsRequest : request;
  }

  /**
   * Posts a frame or an empty body. Redirects are not followed, because they could lead anywhere.
   */
  post(headers: Readonly<Record<string, string>>, frame: Uint8Array | undefined): ClientRequest {
    const posted = this.#request({
      ...this.#options,
      ...this.#tls(),
      headers: { ...headers, 'content-type': CONTENT_TYPE, 'content-length': frame?.length ?? 0 },
    });
    posted.end(frame);
    return posted;
  }

  /**
   * Closes all connections to the peer. Called when one of them fails, because the others will most
   * likely fail too.
   */
  closeConnections(): void {
    this.#agent.destroy();
  }
}
