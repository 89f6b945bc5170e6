import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  type Bound,
  boundOf,
  checkExposure,
  checkRequest,
  claimsOf,
  type Context,
  HandshakeError,
  type Hello,
  helloHeaders,
  type Listener,
  logRefusal,
  OwnServer,
  REFUSED_HEADER,
  type Sent,
} from '@kontiki/peers';
import type { Connection } from './connection.js';
import type { WebSocketOptions } from './options.js';
import { SUBPROTOCOL, socketOptions } from './settings.js';

/**
 * Called for each connection with a valid handshake. `sent` contains the values that this server
 * sent in the handshake.
 */
export type OnAccepted = (ws: WebSocket, socket: Duplex, hello: Hello, sent: Sent) => Connection;

/** Accepts connections from peers, on its own port or on a path of the application's server. */
export class WebSocketListener implements Listener {
  readonly #context: Context;
  readonly #options: WebSocketOptions;
  readonly #onAccepted: OnAccepted;
  readonly #own: OwnServer | undefined;
  readonly #server: HttpServer | HttpsServer;
  readonly #path: string;
  readonly #webSockets: WebSocketServer;
  readonly #connections = new Set<Connection>();
  /** Whether the server was listening when the newest connection was accepted. */
  #wasListening = false;

  constructor(context: Context, options: WebSocketOptions, onAccepted: OnAccepted) {
    this.#context = context;
    this.#options = options;
    this.#onAccepted = onAccepted;
    if (options.server === undefined) {
      this.#own = new OwnServer(context, ({ socket }, response) => {
        const message = 'a request does not ask for a WebSocket connection.';
        logRefusal(context, { reason: 'upgrade', message }, socket.remoteAddress);
        response.writeHead(426, { connection: 'close', upgrade: 'websocket' });
        response.end();
      });
    }
    this.#server = options.server ?? (this.#own as OwnServer).server;
    this.#path = options.server === undefined ? '/' : (options.path ?? '/kontiki');
    this.#webSockets = new WebSocketServer({
      ...socketOptions,
      noServer: true,
      clientTracking: false,
      handleProtocols: () => SUBPROTOCOL,
    });
    this.#webSockets.on('headers', (lines, request) => {
      // The handshake in this request was already checked, so the header contains a valid server
      // id.
      const hello = helloHeaders(this.#context.self, request.headers['kontiki-from'] as string);
      for (const [name, value] of Object.entries(hello)) lines.push(`${name}: ${value}`);
    });
    this.#webSockets.on('wsClientError', (error, socket) =>
      this.#refuse(socket, new HandshakeError('malformed', error.message)),
    );
  }

  get bound(): Bound | undefined {
    return boundOf(this.#server);
  }

  async start(): Promise<void> {
    const { listen } = this.#options;
    if (listen !== undefined) {
      await this.#own?.start(listen);
    } else {
      const { bound } = this;
      if (bound !== undefined) checkExposure(bound.host, this.#context.security.acceptsOtherMachines);
    }
    this.#server.on('upgrade', this.#onUpgrade);
  }

  /**
   * Closes the connections from peers once the application has closed its server. Node.js reports
   * the server as closed only when all connections have ended, and peers keep their connections
   * open.
   */
  tick(): void {
    if (!this.#wasListening || this.#server.listening || this.#connections.size === 0) return;
    const text = `closed ${this.#connections.size} connections from peers, because the application closed its server`;
    this.#context.logger.log('info', 'server', text);
    for (const connection of this.#connections) connection.terminate();
  }

  /**
   * Stops accepting connections. Closes the server if the transport created it. The application's
   * server stays open.
   */
  async close(): Promise<void> {
    this.#server.off('upgrade', this.#onUpgrade);
    await this.#own?.close();
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const path = request.url?.split('?', 1)[0];
    if (path !== this.#path) {
      // Other listeners of the application answer requests for other paths. If there are none, this
      // answer is needed, because the socket would otherwise stay open forever.
      if (this.#server.listenerCount('upgrade') > 1) return;
      const message = `a request is for another path than ${this.#path}.`;
      logRefusal(this.#context, { reason: 'path', message }, (socket as Socket).remoteAddress);
      return rejectUpgrade(socket, '404 Not Found', '');
    }
    let hello: Hello;
    try {
      hello = this.#check(request);
    } catch (error) {
      return this.#refuse(socket, error as HandshakeError);
    }
    const sent = claimsOf(this.#context.self);
    this.#webSockets.handleUpgrade(request, socket, head, (ws) => {
      this.#own?.markIdentified(socket as Socket);
      const connection = this.#onAccepted(ws, socket, hello, sent);
      this.#connections.add(connection);
      this.#wasListening = this.#server.listening;
      ws.once('close', () => this.#connections.delete(connection));
    });
  };

  #check(request: IncomingMessage): Hello {
    const { limits, isMember } = this.#context;
    const hello = checkRequest(this.#context, request);
    const protocols = request.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim());
    if (protocols?.includes(SUBPROTOCOL) !== true) {
      throw new HandshakeError('version', `The request does not offer the subprotocol ${SUBPROTOCOL}.`);
    }
    // Members are not limited, because each member has at most one connection.
    if (this.#connections.size >= limits.connections && !isMember(hello.from)) {
      throw new HandshakeError(
        'busy',
        `There are ${this.#connections.size} connections already. To allow more, increase limits.connections.`,
      );
    }
    return hello;
  }

  #refuse(socket: Duplex, error: HandshakeError): void {
    logRefusal(this.#context, error, (socket as Socket).remoteAddress);
    rejectUpgrade(socket, '400 Bad Request', `${REFUSED_HEADER}: ${error.reason}\r\n`);
  }
}

/** Answers an upgrade with an error status and closes the socket. */
function rejectUpgrade(socket: Duplex, status: string, headers: string): void {
  // The client may already have closed the socket.
  socket.on('error', () => {});
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`);
}
