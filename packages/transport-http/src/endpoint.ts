import { Agent, type ClientRequest, request, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { urlToHttpOptions } from 'node:url';
import { CONTENT_TYPE } from './settings.js';

/** As many as there are requests under way: bulk, urgent, and one that asks for answers. */
const CONNECTIONS = 3;

/** Where one peer is reached, and the connections that are kept with it. */
export class Endpoint {
  readonly #agent: Agent;
  readonly #options: RequestOptions;
  readonly #request: typeof request;

  constructor(url: URL) {
    const secure = url.protocol === 'https:';
    this.#agent = new (secure ? HttpsAgent : Agent)({ keepAlive: true, maxSockets: CONNECTIONS });
    this.#options = { ...urlToHttpOptions(url), method: 'POST', agent: this.#agent };
    this.#request = secure ? httpsRequest : request;
  }

  /** Posts a frame, or nothing. Node follows no redirects by itself, which is right: they could lead anywhere. */
  post(headers: Readonly<Record<string, string>>, frame: Uint8Array | undefined): ClientRequest {
    const posted = this.#request({
      ...this.#options,
      headers: { ...headers, 'content-type': CONTENT_TYPE, 'content-length': frame?.length ?? 0 },
    });
    posted.end(frame);
    return posted;
  }

  /** Ends all connections: what broke one has mostly broken the others. */
  closeConnections(): void {
    this.#agent.destroy();
  }
}
