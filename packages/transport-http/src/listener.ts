import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  checkCaller,
  type Context,
  type Hello,
  type Listener,
  logHandshakeError,
  OwnServer,
  HandshakeError,
  REFUSED_HEADER,
  SILENT_TICKS,
} from '@kontiki/peers';
import type { HttpOptions } from './options.js';
import { reject } from './inbound-request.js';

/** A request whose handshake is a good one. */
export type Accept = (request: IncomingMessage, response: ServerResponse, hello: Hello) => void;

/** Lets peers in, on a port of its own or wherever the user has mounted it. */
export class HttpListener implements Listener {
  readonly #context: Context;
  readonly #options: HttpOptions;
  readonly #inboundPeers: ReadonlySet<string>;
  readonly #accept: Accept;
  readonly #own: OwnServer | undefined;
  #open = false;

  /** `inboundPeers`: the peers that call already. */
  constructor(context: Context, options: HttpOptions, inboundPeers: ReadonlySet<string>, accept: Accept) {
    this.#context = context;
    this.#options = options;
    this.#inboundPeers = inboundPeers;
    this.#accept = accept;
    if (options.listen === undefined) return;
    const { connections, unidentified, pingIntervalMs } = context.limits;
    this.#own = new OwnServer(context, (request, response) => this.answer(request, response));
    const { server } = this.#own;
    // Longer than a peer is ever silent: or a request could meet a connection that is just being closed.
    server.keepAliveTimeout = Math.max(server.keepAliveTimeout, 2 * SILENT_TICKS * pingIntervalMs);
    server.maxConnections = unidentified + 4 * connections;
  }

  get port(): number | undefined {
    const address = this.#own?.server.address();
    return address !== null && typeof address === 'object' ? address.port : undefined;
  }

  async start(): Promise<void> {
    if (this.#options.listen !== undefined) await this.#own?.start(this.#options.listen);
    this.#open = true;
  }

  async close(): Promise<void> {
    this.#open = false;
    await this.#own?.close();
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#open) return reject(response, 503);
    if (request.method !== 'POST') return reject(response, 405, { allow: 'POST' });
    let hello: Hello;
    try {
      hello = this.#check(request);
    } catch (caught) {
      const error = caught as HandshakeError;
      logHandshakeError(this.#context, error, request.socket.remoteAddress);
      return reject(response, 400, { [REFUSED_HEADER]: error.reason });
    }
    this.#own?.markIdentified(request.socket);
    // A body that was read cannot be read again: the peer would wait in vain.
    if (request.readableDidRead || request.readableEnded) {
      const text =
        'The body of a peer’s request was read before it came to the handler: mount the handler before body parsers';
      this.#context.logger.log('error', 'consumed', text);
      return reject(response, 500);
    }
    this.#accept(request, response, hello);
  }

  #check(request: IncomingMessage): Hello {
    const hello = checkCaller(this.#context, request, this.#options.insecure);
    if (this.#inboundPeers.size >= this.#context.limits.connections && !this.#inboundPeers.has(hello.from)) {
      throw new HandshakeError('busy', `${this.#inboundPeers.size} servers are connected already.`);
    }
    return hello;
  }
}
