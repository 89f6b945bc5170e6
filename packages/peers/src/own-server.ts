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
  readonly #strangers = new Set<Socket>();

  constructor(context: Context, answer: RequestListener) {
    this.#context = context;
    const { handshakeTimeout, strangers } = context.limits;
    this.server = createServer(
      {
        maxHeaderSize: 8_192,
        headersTimeout: handshakeTimeout,
        requestTimeout: 0,
        connectionsCheckingInterval: Math.ceil(handshakeTimeout / 3),
      },
      answer,
    );
    this.server.on('connection', (socket: Socket) => {
      // The oldest makes way: a peer shows who it is within one round trip, so it isn't the one that has waited longest.
      const [oldest] = this.#strangers;
      if (this.#strangers.size >= strangers) oldest?.destroy();
      this.#strangers.add(socket);
      socket.once('close', () => this.#strangers.delete(socket));
    });
  }

  /** It has shown who it is. */
  know(socket: Socket): void {
    this.#strangers.delete(socket);
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
      for (const socket of this.#strangers) socket.destroy();
    });
  }
}
