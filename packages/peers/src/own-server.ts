import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { listen, LOOPBACK } from './listening.js';
import type { ListenOptions } from './options.js';
import type { Context } from './peer-transport.js';

/**
 * HTTP server of a transport with its own port. Limits the number of connections without a
 * completed handshake, and the time to receive a request's headers.
 */
export class OwnServer {
  readonly server: Server;
  readonly #context: Context;
  /**
   * Connections without a completed handshake, oldest first. Any client that reaches the port can
   * open them, so their number is limited. Beyond the limit, a new connection replaces the oldest.
   */
  readonly #unidentified = new Set<Socket>();

  constructor(context: Context, onRequest: RequestListener) {
    this.#context = context;
    const { handshakeTimeoutMs, unidentified } = context.limits;
    this.server = createServer(
      {
        maxHeaderSize: 8_192,
        headersTimeout: handshakeTimeoutMs,
        requestTimeout: 0,
        connectionsCheckingInterval: Math.ceil(handshakeTimeoutMs / 3),
      },
      onRequest,
    );
    this.server.on('connection', (socket: Socket) => {
      // At the limit, close the oldest connection. A peer completes its handshake within one round
      // trip, so the oldest connection is not from a peer.
      const [oldest] = this.#unidentified;
      if (this.#unidentified.size >= unidentified) oldest?.destroy();
      this.#unidentified.add(socket);
      socket.once('close', () => this.#unidentified.delete(socket));
    });
  }

  /** Called when the handshake on a connection is complete. */
  markIdentified(socket: Socket): void {
    this.#unidentified.delete(socket);
  }

  /** Starts listening. Rejects with `KONTIKI_LISTEN` if the server cannot listen on the port. */
  async start({ host = LOOPBACK, port }: ListenOptions): Promise<void> {
    await listen(this.server, host, port);
    this.server.on('error', (error) => {
      this.#context.logger.log('error', 'server', `the server on port ${port} failed`, { error });
    });
  }

  /**
   * Stops listening and closes all connections except upgraded ones, which no longer belong to the
   * server.
   */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
      for (const socket of this.#unidentified) socket.destroy();
    });
  }
}
