import type { IncomingMessage, ServerResponse } from 'node:http';
import { MAX_FRAME } from '@kontiki/core/wire';
import { Body, type Context, type Hello, helloHeaders } from '@kontiki/peers';
import { RequestDeadline } from './request-deadline.js';
import { CONTENT_TYPE, POLL_HEADER } from './settings.js';

export interface InboundCallbacks {
  /** Called when the body is complete. The request must then be answered. */
  onBody(request: InboundRequest, body: Buffer): void;
  onClosed(request: InboundRequest): void;
}

/** A request from a peer whose handshake has been accepted, and the response to it. */
export class InboundRequest {
  /** Whether the response may be delayed until there are messages for the peer. */
  readonly polls: boolean;
  readonly #context: Context;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #hello: Hello;
  readonly #deadline: RequestDeadline;
  readonly #body: Body;
  /** Length in bytes of the response's body. */
  #answeredBytes = 0;

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
      // Nothing needs to be done here, because a 'close' event follows.
    });
    response.once('close', () => callbacks.onClosed(this));
    this.#body = new Body(request, MAX_FRAME, (body) => {
      if (body === 'large') {
        const { from } = hello;
        context.refusals.count('frame');
        const text = `refused a request from ${from}: its body exceeds the maximum frame size`;
        context.logger.log('warn', context.logger.topic('body', from), text);
        this.reject(413);
      } else if (body === 'cut') {
        this.terminate();
      } else {
        callbacks.onBody(this, body);
      }
    });
  }

  /** The frame version that the peer can read. */
  get framing(): number {
    return this.#hello.framing;
  }

  /**
   * Sends the response. If `requestPoll` is true, the response asks the peer to poll, because this
   * server cannot reach the peer.
   */
  answer(frame: Uint8Array | undefined, requestPoll: boolean): void {
    if (this.#response.headersSent) return this.#logForeignAnswer();
    this.#answeredBytes = frame?.length ?? 0;
    this.#response.writeHead(200, {
      ...helloHeaders(this.#context.self, this.#hello.from),
      'content-type': CONTENT_TYPE,
      'content-length': this.#answeredBytes,
      ...(requestPoll ? { [POLL_HEADER]: '1' } : {}),
    });
    this.#response.end(frame);
  }

  reject(status: number): void {
    if (this.#response.headersSent) this.#logForeignAnswer();
    else rejectRequest(this.#response, status);
  }

  tick(): void {
    if (this.#deadline.tick(this.#body.received + this.#answeredBytes)) this.terminate();
  }

  terminate(): void {
    // The first call closes the connection only while the request is incomplete. The second closes
    // it only while the response is incomplete.
    this.#request.destroy();
    this.#response.destroy();
  }

  /**
   * Logs that other code in the application has answered a request that was passed to the handler.
   */
  #logForeignAnswer(): void {
    const text =
      'Other code answered a request that transport.handler had received. Do not use a request or its response after passing them to the handler';
    this.#context.logger.log('error', 'foreign answer', text);
    this.terminate();
  }
}

/**
 * Answers with an error status and closes the connection without reading the rest of the request.
 */
export function rejectRequest(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...headers, connection: 'close', 'content-length': 0 });
  response.end();
}
