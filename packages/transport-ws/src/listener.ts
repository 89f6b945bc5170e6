import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  checkCaller,
  checkExposure,
  type Context,
  type Hello,
  helloHeaders,
  type Listener,
  logHandshakeError,
  OwnServer,
  HandshakeError,
  REFUSED_HEADER,
} from '@kontiki/peers';
import type { WebSocketOptions } from './options.js';
import { SUBPROTOCOL, socketOptions } from './settings.js';

/** A connection that has shown who it is. `sentGenesis` is what this server said of its own genesis. */
export type Accept = (ws: WebSocket, socket: Duplex, hello: Hello, sentGenesis: number | undefined) => void;

/** Lets peers in, on a port of its own or on a path of the user's server. */
export class WebSocketListener implements Listener {
  readonly #context: Context;
  readonly #options: WebSocketOptions;
  readonly #accept: Accept;
  readonly #own: OwnServer | undefined;
  readonly #server: HttpServer | HttpsServer;
  readonly #path: string;
  readonly #webSockets: WebSocketServer;
  #accepted = 0;

  constructor(context: Context, options: WebSocketOptions, accept: Accept) {
    this.#context = context;
    this.#options = options;
    this.#accept = accept;
    if (options.server === undefined) {
      this.#own = new OwnServer(context, (_, response) => {
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
      // The request's hello was checked before, so it names its sender.
      const hello = helloHeaders(this.#context.self, request.headers['kontiki-from'] as string);
      for (const [name, value] of Object.entries(hello)) lines.push(`${name}: ${value}`);
    });
    this.#webSockets.on('wsClientError', (error, socket) =>
      this.#refuse(socket, new HandshakeError('malformed', error.message)),
    );
  }

  /** The port it listens on. */
  get port(): number | undefined {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : undefined;
  }

  async start(): Promise<void> {
    const { listen, insecure = false } = this.#options;
    if (listen !== undefined) {
      await this.#own?.start(listen);
    } else {
      const address = this.#server.address();
      if (address !== null && typeof address === 'object') checkExposure(address.address, insecure);
    }
    this.#server.on('upgrade', this.#onUpgrade);
  }

  /** Lets nobody in any more. A port of its own is closed, the user's server is left as it was found. */
  async close(): Promise<void> {
    this.#server.off('upgrade', this.#onUpgrade);
    await this.#own?.close();
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
      return this.#refuse(socket, error as HandshakeError);
    }
    const sentGenesis = this.#context.self.genesis;
    this.#webSockets.handleUpgrade(request, socket, head, (ws) => {
      this.#own?.markIdentified(socket as Socket);
      this.#accepted += 1;
      ws.once('close', () => (this.#accepted -= 1));
      this.#accept(ws, socket, hello, sentGenesis);
    });
  };

  #check(request: IncomingMessage): Hello {
    const hello = checkCaller(this.#context, request, this.#options.insecure);
    const protocols = request.headers['sec-websocket-protocol']?.split(',').map((name) => name.trim());
    if (protocols?.includes(SUBPROTOCOL) !== true) {
      throw new HandshakeError('version', `It doesn't offer the subprotocol ${SUBPROTOCOL}.`);
    }
    if (this.#accepted >= this.#context.limits.connections) {
      throw new HandshakeError('busy', `${this.#accepted} connections are open already.`);
    }
    return hello;
  }

  #refuse(socket: Duplex, error: HandshakeError): void {
    logHandshakeError(this.#context, error, (socket as Socket).remoteAddress);
    answer(socket, '400 Bad Request', `${REFUSED_HEADER}: ${error.reason}\r\n`);
  }
}

/** Answers an upgrade that isn't granted, and lets go of the socket. */
function answer(socket: Duplex, status: string, headers: string): void {
  // It may be gone already, which is as good.
  socket.on('error', () => {});
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n${headers}\r\n`);
}
