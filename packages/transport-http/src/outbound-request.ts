import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { MAX_FRAME } from '@kontiki/core/wire';
import { Body, type Context, describeReason, parserRefusal, type Refusals, REFUSED_HEADER } from '@kontiki/peers';
import type { Endpoint } from './endpoint.js';
import { RequestDeadline } from './request-deadline.js';

/** The result of a request. */
export type Outcome =
  | { readonly kind: 'answered'; readonly headers: IncomingHttpHeaders; readonly body: Buffer }
  /** A server answered, but it refused the request. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unreachable'; readonly reason: string };

/** A request to a peer. */
export class OutboundRequest {
  readonly #endpoint: Endpoint;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #frame: Uint8Array | undefined;
  readonly #onSettled: (outcome: Outcome) => void;
  readonly #deadline: RequestDeadline;
  readonly #refusals: Refusals;
  #request: ClientRequest;
  #body: Body | undefined;
  #done = false;

  /** `onSettled` is called once, or not at all after `abort`. */
  constructor(
    endpoint: Endpoint,
    headers: Readonly<Record<string, string>>,
    frame: Uint8Array | undefined,
    { limits, refusals }: Context,
    onSettled: (outcome: Outcome) => void,
  ) {
    this.#endpoint = endpoint;
    this.#headers = headers;
    this.#frame = frame;
    this.#onSettled = onSettled;
    this.#deadline = new RequestDeadline(limits);
    this.#refusals = refusals;
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
      // The peer may have closed an idle connection just before the request, so send the request
      // again. The peer may then receive the frame twice, which Raft tolerates.
      const stale = request.reusedSocket && error.code === 'ECONNRESET' && this.#body === undefined;
      if (stale && !this.#done) this.#request = this.#send();
      else this.#onError(error);
    });
    return request;
  }

  #onError({ code, message }: NodeJS.ErrnoException): void {
    const refusal = this.#done ? undefined : parserRefusal(code);
    if (refusal !== undefined) this.#refusals.count(refusal.reason);
    this.fail(message);
  }

  #onResponse(response: IncomingMessage): void {
    const { statusCode = 0, headers } = response;
    if (statusCode !== 200) {
      const reason = describeReason(headers[REFUSED_HEADER]);
      if (reason !== undefined) this.#settle({ kind: 'refused', reason: `it refuses: ${reason}` });
      // Proxies answer with status 5xx if their server is down. A redirect or status 404 means that
      // the address is wrong.
      else this.#settle({ kind: statusCode >= 500 ? 'unreachable' : 'refused', reason: `it answers ${statusCode}` });
      return this.abort();
    }
    this.#body = new Body(response, MAX_FRAME, (body) => {
      if (body === 'large') {
        this.#refusals.count('frame');
        this.fail('its response exceeds the maximum frame size');
      } else if (body === 'cut') this.fail('its response is incomplete');
      else this.#settle({ kind: 'answered', headers, body });
    });
  }

  #settle(outcome: Outcome): void {
    if (this.#done) return;
    this.#done = true;
    this.#onSettled(outcome);
  }
}
