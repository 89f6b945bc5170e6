import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type PeerLimits, REFUSED_HEADER, describeReason } from '@kontiki/peers';
import { Body } from './body.js';
import { RequestDeadline } from './request-deadline.js';
import type { Endpoint } from './endpoint.js';

export type Outcome =
  | { readonly kind: 'answered'; readonly headers: IncomingHttpHeaders; readonly body: Buffer }
  /** A server answers that doesn't want this one. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

/** One request to a peer. */
export class OutboundRequest {
  readonly #endpoint: Endpoint;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #frame: Uint8Array | undefined;
  readonly #onSettled: (outcome: Outcome) => void;
  readonly #deadline: RequestDeadline;
  #request: ClientRequest;
  #body: Body | undefined;
  #done = false;

  /** `onSettled`: called once, unless it is aborted. */
  constructor(
    endpoint: Endpoint,
    headers: Readonly<Record<string, string>>,
    frame: Uint8Array | undefined,
    limits: PeerLimits,
    onSettled: (outcome: Outcome) => void,
  ) {
    this.#endpoint = endpoint;
    this.#headers = headers;
    this.#frame = frame;
    this.#onSettled = onSettled;
    this.#deadline = new RequestDeadline(limits);
    this.#request = this.#send();
  }

  tick(): void {
    const bytes = (this.#frame?.length ?? 0) + (this.#body?.received ?? 0);
    if (this.#deadline.tick(bytes)) this.fail('it does not answer');
  }

  fail(reason: string): void {
    this.#settle({ kind: 'unreachable', reason });
    this.abort();
  }

  abort(): void {
    this.#done = true;
    this.#request.destroy();
  }

  #send(): ClientRequest {
    const request = this.#endpoint.post(this.#headers, this.#frame);
    request.on('response', (response) => this.#onResponse(response));
    request.on('error', (error: NodeJS.ErrnoException) => {
      // The other side had closed the idle connection just before: that says nothing of the peer. Should it have taken
      // the frame nevertheless, it gets it twice, which it bears.
      const stale = request.reusedSocket && error.code === 'ECONNRESET' && this.#body === undefined;
      if (stale && !this.#done) this.#request = this.#send();
      else this.fail(error.message);
    });
    return request;
  }

  #onResponse(response: IncomingMessage): void {
    const { statusCode = 0, headers } = response;
    if (statusCode !== 200) {
      const meaning = describeReason(headers[REFUSED_HEADER]);
      if (meaning !== undefined) this.#settle({ kind: 'refused', reason: `it refuses: ${meaning}` });
      // A proxy whose server is down says so; a redirect or a missing page is a wrong address.
      else this.#settle({ kind: statusCode >= 500 ? 'unreachable' : 'refused', reason: `it answers ${statusCode}` });
      return this.abort();
    }
    this.#body = new Body(response, (body) => {
      if (body === 'large') this.fail('its answer is larger than any frame may be');
      else if (body === 'cut') this.fail('its answer was cut short');
      else this.#settle({ kind: 'answered', headers, body });
    });
  }

  #settle(outcome: Outcome): void {
    if (this.#done) return;
    this.#done = true;
    this.#onSettled(outcome);
  }
}
