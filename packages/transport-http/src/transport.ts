import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerId } from '@kontiki/core';
import { type Context, type Listener, PeerTransport } from '@kontiki/peers';
import { HttpListener } from './listener.js';
import { checkOptions, type HttpOptions } from './options.js';
import { HttpPeer } from './peer.js';
import { reject } from './inbound-request.js';

/** Moves messages over HTTP. One transport serves one node. */
export class HttpTransport extends PeerTransport<HttpPeer> {
  readonly #options: HttpOptions;
  readonly #inboundPeers = new Set<ServerId>();
  #http: HttpListener | undefined;

  /** Throws `KONTIKI_BAD_OPTION`. Nothing is opened before `start`. */
  constructor(options: HttpOptions = {}) {
    checkOptions(options);
    super(options);
    this.#options = options;
  }

  /**
   * Answers peers' requests, on whatever path it is mounted: a listener of `node:http`, a handler of Express. What it is
   * called for it answers always: with 503 before the start and after the end. Nothing may have read the request's body.
   */
  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.#http === undefined) reject(response, 503);
    else this.#http.answer(request, response);
  };

  protected override listener(context: Context, peer: (id: ServerId) => HttpPeer): Listener {
    this.#http = new HttpListener(context, this.#options, this.#inboundPeers, (request, response, hello) =>
      peer(hello.from).accept(request, response, hello),
    );
    return this.#http;
  }

  protected override peer(context: Context, id: ServerId, onIdle: () => void): HttpPeer {
    return new HttpPeer(context, id, this.#inboundPeers, onIdle);
  }
}
