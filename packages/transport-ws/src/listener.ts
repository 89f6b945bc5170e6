import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  checkExposure,
  checkHello,
  type Hello,
  helloHeaders,
  isLoopback,
  listen,
  Refusal,
  REFUSED_HEADER,
} from '@kontiki/peers';
import type { Context } from './context.js';
import { LOOPBACK, type WebSocketOptions } from './options.js';
import { SUBPROTOCOL, socketOptions } from './settings.js';

/** A connection that has shown who it is. `told` is what this server said of its own origin. */
export type Accept = (ws: WebSocket, socket: Duplex, hello: Hello, told: number | undefined) => void;

/** Lets peers in, on a port of its own or on a path of the user's server. */
export class Listener {
  readonly #context: Context;
  readonly #options: WebSocketOptions;
  readonly #accept: Accept;
  readonly #server: HttpServer | HttpsServer;
  readonly #path: string;
  readonly #webSockets: WebSocketServer;
  /** Connections on a port of its own that have not shown who they are, the oldest first. */
  readonly #strangers = new Set<Socket>();
  #accepted = 0;

  constructor(context: Context, options: WebSocketOptions, accept: Accept) {
    this.#context = context;
    this.#options = options;
    this.#accept = accept;
    this.#server = options.server ?? this.#ownServer();
    this.#path = options.server === undefined ? '/' : (options.path ?? '/kontiki');
    this.#webSockets = new WebSocketServer({
      ...socketOptions,
      noServer: true,
      clientTracking: false,
      handleProtocols: () => SUBPROTOCOL,
    });
    this.#webSockets.on('headers', (lines, request) => {
      // The request's hello was checked before, so it names its sender.
      const hello = helloHeaders(this.#context.self, request.headers['kontiki-from'] as string);
      for (const [name, value] of Object.entries(hello)) lines.push(`${name}: ${value}`);
    });
    this.#webSockets.on('wsClientError', (error, socket) =>
      this.#refuse(socket, new Refusal('malformed', error.message)),
    );
  }

  /** The port it listens on. */
  get port(): number | undefined {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : undefined;
  }

  async start(): Promise<void> {
    const { listen: own, insecure = false } = this.#options;
    if (own !== undefined) {
      await listen(this.#server, own.host ?? LOOPBACK, own.port);
      this.#server.on('error', (error) =>
        this.#context.logger.log('error', 'server', 'the listening port failed', { error }),
      );
    } else {
      const address = this.#server.address();
      if (address !== null && typeof address === 'object') checkExposure(address.address, insecure);
    }
    this.#server.on('upgrade', this.#onUpgrade);
  }

  /** Lets nobody in any more. A port of its own is closed, the user's server is left as it was found. */
  async close(): Promise<void> {
    this.#server.off('upgrade', this.#onUpgrade);
    if (this.#options.server !== undefined || !this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      for (const socket of this.#strangers) socket.destroy();
    });
  }

  #ownServer(): HttpServer {
    const { handshakeTimeout, strangers } = this.#context.limits;
    const server = createServer(
      {
        maxHeaderSize: 8_192,
        headersTimeout: handshakeTimeout,
        requestTimeout: handshakeTimeout,
        connectionsCheckingInterval: Math.ceil(handshakeTimeout / 3),
      },
      (_, response) => {
        response.writeHead(426, { connection: 'close', upgrade: 'websocket' });
        response.end();
      },
    );
    server.on('connection', (socket: Socket) => {
      // The oldest makes way: a peer shows who it is within one round trip, so it isn't the one that has waited longest.
      const [oldest] = this.#strangers;
      if (this.#strangers.size >= strangers) oldest?.destroy();
      this.#strangers.add(socket);
      socket.once('close', () => this.#strangers.delete(socket));
    });
    return server;
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const path = request.url?.split('?', 1)[0];
    if (path !== this.#path) {
      // Another listener's to answer. Without one nobody would, and the socket would stay open for ever.
      if (this.#server.listenerCount('upgrade') === 1) answer(socket, '404 Not Found', '');
      return;
    }
    let hello: Hello;
    try {
      hello = this.#check(request);
    } catch (error) {
      return this.#refuse(socket, error as Refusal);
    }
    const told = this.#context.self.origin;
    this.#webSockets.handleUpgrade(request, socket, head, (ws) => {
      this.#strangers.delete(socket as Socket);
      this.#accepted += 1;
      ws.once('close', () => (this.#accepted -= 1));
      this.#accept(ws, socket, hello, told);
    });
  };

  #check({ headers, socket }: IncomingMessage): Hello {
    const { insecure = false } = this.#options;
    // The user's server may have begun to listen elsewhere only after `start`.
    if (!insecure && socket.localAddress !== undefined && !isLoopback(socket.localAddress)) {
      throw new Refusal(
        'exposed',
        'It comes from beyond this machine. Where the network is trusted, say insecure: true.',
      );
    }
    if (headers.origin !== undefined) throw new Refusal('browser', 'It has an Origin, so it comes from a browser.');
    const protocols = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim());
    if (protocols?.includes(SUBPROTOCOL) !== true) {
      throw new Refusal('version', `It doesn't offer the subprotocol ${SUBPROTOCOL}.`);
    }
    const hello = checkHello(this.#context.self, headers);
    if (this.#accepted >= this.#context.limits.connections) {
      throw new Refusal('busy', `${this.#accepted} connections are open already.`);
    }
    return hello;
  }

  #refuse(socket: Duplex, refusal: Refusal): void {
    const { reason, message } = refusal;
    this.#context.logger.log('warn', `refused ${reason}`, `refused a connection: ${message}`, {
      reason,
      from: (socket as Socket).remoteAddress,
    });
    answer(socket, '400 Bad Request', `${REFUSED_HEADER}: ${reason}\r\n`);
  }
}

/** Answers an upgrade that isn't granted, and lets go of the socket. */
function answer(socket: Duplex, status: string, headers: string): void {
  // It may be gone already, which is as good.
  socket.on('error', () => {});
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`);
}
