import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  type Bound,
  boundOf,
  checkRequest,
  type Context,
  HandshakeError,
  type Hello,
  type Listener,
  logRefusal,
  OwnServer,
  REFUSED_HEADER,
  SILENT_TICKS,
} from '@kontiki/peers';
import { rejectRequest } from './inbound-request.js';
import type { HttpOptions } from './options.js';

/** Maximum number of connections from one server. A peer uses three. */
const CONNECTIONS_PER_SERVER = 4;

/** Called for each request with a valid handshake. */
export type OnAccepted = (request: IncomingMessage, response: ServerResponse, hello: Hello) => void;

/** Accepts requests from peers, on its own port or through `transport.handler`. */
export class HttpListener implements Listener {
  readonly #context: Context;
  readonly #options: HttpOptions;
  /** Ids of the peers that are currently sending requests to this server. */
  readonly #inboundPeers: ReadonlySet<string>;
  readonly #onAccepted: OnAccepted;
  readonly #own: OwnServer | undefined;
  /**
   * Connections to the transport's own server that have sent an accepted request, least recently
   * used first. A client may keep any number of connections open, so the server limits their
   * number.
   */
  readonly #used = new Set<Socket>();
  #open = false;

  constructor(context: Context, options: HttpOptions, inboundPeers: ReadonlySet<string>, onAccepted: OnAccepted) {
    this.#context = context;
    this.#options = options;
    this.#inboundPeers = inboundPeers;
    this.#onAccepted = onAccepted;
    if (options.listen === undefined) return;
    this.#own = new OwnServer(context, (request, response) => this.handle(request, response));
    const { server } = this.#own;
    // The timeout must exceed the longest time for which a live peer can be silent. Otherwise, a
    // request could arrive on a connection that this server is just closing.
    server.keepAliveTimeout = Math.max(server.keepAliveTimeout, 2 * SILENT_TICKS * context.limits.pingIntervalMs);
  }

  get bound(): Bound | undefined {
    return this.#own && boundOf(this.#own.server);
  }

  async start(): Promise<void> {
    if (this.#options.listen !== undefined) await this.#own?.start(this.#options.listen);
    this.#open = true;
  }

  async close(): Promise<void> {
    this.#open = false;
    await this.#own?.close();
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#open) return rejectRequest(response, 503);
    const { remoteAddress } = request.socket;
    if (request.method !== 'POST') {
      const message = `a request has the method ${request.method}, but peers use only POST.`;
      logRefusal(this.#context, { reason: 'method', message }, remoteAddress);
      return rejectRequest(response, 405, { allow: 'POST' });
    }
    let hello: Hello;
    try {
      hello = this.#check(request);
    } catch (caught) {
      const error = caught as HandshakeError;
      logRefusal(this.#context, error, remoteAddress);
      return rejectRequest(response, 400, { [REFUSED_HEADER]: error.reason });
    }
    if (this.#own !== undefined) this.#markUsed(this.#own, request.socket);
    // Other code has read the body. A body can be read only once, so the peer's messages are lost.
    if (request.readableDidRead || request.readableEnded) {
      const text =
        'Other code read the body of a request before transport.handler received it. Mount the handler before body parsers';
      this.#context.logger.log('error', 'consumed', text);
      return rejectRequest(response, 500);
    }
    this.#onAccepted(request, response, hello);
  }

  /**
   * Closes the least recently used connection if there are too many. Peers use their connections
   * all the time, so the closed connection is unlikely to be a peer's.
   */
  #markUsed(own: OwnServer, socket: Socket): void {
    own.markIdentified(socket);
    if (!this.#used.delete(socket)) socket.once('close', () => this.#used.delete(socket));
    this.#used.add(socket);
    const [oldest] = this.#used;
    if (this.#used.size <= CONNECTIONS_PER_SERVER * this.#context.limits.connections || oldest === undefined) return;
    logRefusal(this.#context, { reason: 'busy', message: 'there are too many connections.' }, oldest.remoteAddress);
    oldest.destroy();
  }

  #check(request: IncomingMessage): Hello {
    const { limits, isMember } = this.#context;
    const hello = checkRequest(this.#context, request);
    const isKnown = this.#inboundPeers.has(hello.from) || isMember(hello.from);
    if (this.#inboundPeers.size >= limits.connections && !isKnown) {
      throw new HandshakeError(
        'busy',
        `${this.#inboundPeers.size} servers are connected already. To allow more, increase limits.connections.`,
      );
    }
    return hello;
  }
}
