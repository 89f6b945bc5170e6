import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { listen, LOOPBACK } from './listening.js';
import type { ListenOptions } from './options.js';
import type { Context } from './peer-transport.js';

/**
 * The HTTP server of a transport that has a port of its own. It limits the number of connections
 * without a completed handshake, and the time until a request's headers are complete.
 */
export class OwnServer {
  readonly server: Server;
  readonly #context: Context;
  /**
   * Unidentified connections: those without a completed handshake, oldest first. Anyone who reaches
   * the port can open them, so their number is limited, and the oldest one makes room for a new one.
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
      // Close the oldest connection. A peer completes its handshake within one round trip, so the
      // oldest is not a peer.
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

  /** Rejects with `KONTIKI_LISTEN`. */
  async start({ host = LOOPBACK, port }: ListenOptions): Promise<void> {
    await listen(this.server, host, port);
    this.server.on('error', (error) => {
      this.#context.logger.log('error', 'server', `the server on port ${port} failed`, { error });
    });
  }

  /**
   * Stops listening and closes all connections, except for upgraded connections, which no longer
   * belong to the server.
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
