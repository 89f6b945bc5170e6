import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerId } from '@kontiki/core';
import { type Context, type Listener, PeerTransport } from '@kontiki/peers';
import { rejectRequest } from './inbound-request.js';
import { HttpListener } from './listener.js';
import { checkOptions, type HttpOptions } from './options.js';
import { HttpPeer } from './peer.js';

/** Sends messages over HTTP. Each node needs its own transport. */
export class HttpTransport extends PeerTransport<HttpPeer> {
  readonly #options: HttpOptions;
  readonly #inboundPeers = new Set<ServerId>();
  #listener: HttpListener | undefined;

  /** Throws `KONTIKI_BAD_OPTION` if an option is invalid. Opens nothing until `start` is called. */
  constructor(options: HttpOptions = {}) {
    checkOptions(options);
    super(options, ['listen']);
    this.#options = options;
  }

  /**
   * Handles requests from peers. Mount it on any path, as a `node:http` request listener or an
   * Express handler. It answers every request, with status 503 before `start` and after `close`. No
   * other code may read the request's body.
   */
  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.#listener === undefined) rejectRequest(response, 503);
    else this.#listener.handle(request, response);
  };

  protected override createListener(context: Context, getPeer: (id: ServerId) => HttpPeer): Listener {
    this.#listener = new HttpListener(context, this.#options, this.#inboundPeers, (request, response, hello) =>
      getPeer(hello.from).accept(request, response, hello),
    );
    return this.#listener;
  }

  protected override createPeer(context: Context, id: ServerId, onIdle: () => void): HttpPeer {
    return new HttpPeer(context, id, this.#inboundPeers, onIdle);
  }
}
