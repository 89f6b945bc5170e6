import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Context } from './context.js';
import { LOOPBACK, listen } from './listening.js';
import type { ListenOptions } from './options.js';

/** A port of a transport's own, and those who connect to it. */
export class OwnServer {
  readonly server: Server;
  readonly #context: Context;
  /** Connections that have not shown who they are, the oldest first. */
  readonly #unidentified = new Set<Socket>();

  constructor(context: Context, answer: RequestListener) {
    this.#context = context;
    const { handshakeTimeoutMs, unidentified } = context.limits;
    this.server = createServer(
      {
        maxHeaderSize: 8_192,
        headersTimeout: handshakeTimeoutMs,
        requestTimeout: 0,
        connectionsCheckingInterval: Math.ceil(handshakeTimeoutMs / 3),
      },
      answer,
    );
    this.server.on('connection', (socket: Socket) => {
      // The oldest makes way: a peer shows who it is within one round trip, so it isn't the one that has waited longest.
      const [oldest] = this.#unidentified;
      if (this.#unidentified.size >= unidentified) oldest?.destroy();
      this.#unidentified.add(socket);
      socket.once('close', () => this.#unidentified.delete(socket));
    });
  }

  /** It has shown who it is. */
  markIdentified(socket: Socket): void {
    this.#unidentified.delete(socket);
  }

  async start({ host = LOOPBACK, port }: ListenOptions): Promise<void> {
    await listen(this.server, host, port);
    this.server.on('error', (error) =>
      this.#context.logger.log('error', 'server', 'the listening port failed', { error }),
    );
  }

  /** Frees the port and cuts whoever is connected. Upgraded connections are no more the server's. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
      for (const socket of this.#unidentified) socket.destroy();
    });
  }
}
