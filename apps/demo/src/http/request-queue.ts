import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Maximum number of requests per connection that may wait while an earlier request is being
 * answered.
 */
const MAX_WAITING = 64;

/**
 * Milliseconds after which the queue yields to the protocol, so that a burst of requests does not
 * delay heartbeats.
 */
const SLICE_MS = 5;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Handles the requests of each connection one after another, so that a request sees the effects of
 * earlier requests. Closes a connection that sends many requests without waiting for answers.
 * Node.js parses all received bytes, so such requests would use unlimited memory and time.
 */
export class RequestQueue {
  readonly #handle: (request: IncomingMessage, response: ServerResponse) => void;
  /**
   * Unanswered requests per connection. The first request of each connection is either being
   * handled or in `#ready`.
   */
  readonly #connections = new Map<Socket, Exchange[]>();
  /** Requests that are first on their connection and are not being handled yet. */
  #ready: Exchange[] = [];
  #closing = false;

  constructor(handle: (request: IncomingMessage, response: ServerResponse) => void) {
    this.#handle = handle;
  }

  add(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (socket.destroyed) return;
    const exchange = { request, response };
    const exchanges = this.#connections.get(socket);
    if (exchanges === undefined) {
      this.#connections.set(socket, [exchange]);
      this.#makeReady(exchange);
    } else if (exchanges.length > MAX_WAITING) {
      socket.destroy();
    } else {
      exchanges.push(exchange);
    }
    if (this.#closing) endAfter(response);
  }

  /** Ends each connection after the last response has been sent on it. */
  close(): void {
    this.#closing = true;
    for (const exchanges of this.#connections.values()) {
      const last = exchanges.at(-1);
      if (last !== undefined) endAfter(last.response);
    }
  }

  #makeReady(exchange: Exchange): void {
    if (this.#ready.length === 0) setImmediate(() => this.#handleSlice());
    this.#ready.push(exchange);
  }

  #handleSlice(): void {
    const end = performance.now() + SLICE_MS;
    const batch = this.#ready;
    let handled = 0;
    do this.#start(batch[handled++] as Exchange);
    while (handled < batch.length && performance.now() < end);
    this.#ready = batch.slice(handled);
    if (this.#ready.length > 0) setImmediate(() => this.#handleSlice());
  }

  #start({ request, response }: Exchange): void {
    const { socket } = request;
    // If the client has closed the connection already, `close` is not emitted again.
    if (socket.destroyed || request.destroyed) this.#connections.delete(socket);
    else {
      response.once('close', () => this.#onAnswered(socket));
      this.#handle(request, response);
    }
  }

  #onAnswered(socket: Socket): void {
    const exchanges = this.#connections.get(socket);
    exchanges?.shift();
    const next = socket.destroyed ? undefined : exchanges?.[0];
    if (next === undefined) this.#connections.delete(socket);
    else this.#makeReady(next);
  }
}

/** Makes the connection end after a response, unless the response has already been sent. */
function endAfter(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
}
