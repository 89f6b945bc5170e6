import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Context, type Hello, helloHeaders } from '@kontiki/peers';
import { Body } from './body.js';
import { RequestDeadline } from './request-deadline.js';
import { CONTENT_TYPE, POLL_HEADER } from './settings.js';

export interface InboundCallbacks {
  /** Its body is here, and wants an answer. */
  onBody(request: InboundRequest, body: Buffer): void;
  onClosed(request: InboundRequest): void;
}

/** One request of a peer, whose handshake was accepted. */
export class InboundRequest {
  /** Whether its answer may wait for something to say. */
  readonly polls: boolean;
  readonly #context: Context;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #hello: Hello;
  readonly #deadline: RequestDeadline;
  readonly #body: Body;
  #answered = 0;

  constructor(
    context: Context,
    request: IncomingMessage,
    response: ServerResponse,
    hello: Hello,
    callbacks: InboundCallbacks,
  ) {
    this.polls = request.headers[POLL_HEADER] !== undefined;
    this.#context = context;
    this.#request = request;
    this.#response = response;
    this.#hello = hello;
    this.#deadline = new RequestDeadline(context.limits);
    response.on('error', () => {
      // It is closed, which is told below.
    });
    response.once('close', () => callbacks.onClosed(this));
    this.#body = new Body(request, (body) => {
      if (body === 'large') {
        const { from } = hello;
        context.logger.log('warn', `body ${from}`, `refusing a request of ${from}: it is larger than any frame may be`);
        this.reject(413);
      } else if (body === 'cut') {
        this.terminate();
      } else {
        callbacks.onBody(this, body);
      }
    });
  }

  /** `asks`: the peer is to poll, since this server cannot reach it. */
  answer(frame: Uint8Array | undefined, asks: boolean): void {
    if (this.#response.headersSent) return this.#outrun();
    this.#answered = frame?.length ?? 0;
    this.#response.writeHead(200, {
      ...helloHeaders(this.#context.self, this.#hello.from),
      'content-type': CONTENT_TYPE,
      'content-length': this.#answered,
      ...(asks ? { [POLL_HEADER]: '1' } : {}),
    });
    this.#response.end(frame);
  }

  reject(status: number): void {
    if (this.#response.headersSent) this.#outrun();
    else reject(this.#response, status);
  }

  tick(): void {
    if (this.#deadline.tick(this.#body.received + this.#answered)) this.terminate();
  }

  terminate(): void {
    // This cuts the connection only of a request that is not here whole,
    this.#request.destroy();
    // and this one only while the answer is owed, or on its way.
    this.#response.destroy();
  }

  /** What the handler is mounted in goes on with its requests, which it must not. */
  #outrun(): void {
    const text = 'A peer’s request was answered by others than the handler: once it has the request, leave it alone';
    this.#context.logger.log('error', 'outrun', text);
    this.terminate();
  }
}

/** Answers a request that is not wanted. What else it sends is not read. */
export function reject(response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { ...headers, connection: 'close', 'content-length': 0 });
  response.end();
}
