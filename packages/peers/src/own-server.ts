import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { startTlsOnFirstBytes } from './first-bytes.js';
import { listen, LOOPBACK } from './listening.js';
import { networkOf } from './network.js';
import type { ListenOptions } from './options.js';
import type { Context } from './peer-transport.js';
import { logRefusal, parserRefusal, type RefusalReason } from './refusals.js';

/**
 * The status codes with which the server answers requests that Node.js refuses, by reason. For any
 * reason that is not listed, the status is 400.
 */
const STATUSES: ReadonlyMap<RefusalReason, string> = new Map([
  ['headers', '431 Request Header Fields Too Large'],
  ['timeout', '408 Request Timeout'],
]);

/**
 * The HTTP or HTTPS server of a transport with its own port. Limits the number of connections
 * without a completed handshake, and the time to receive a request's headers. Counts everything
 * that Node.js refuses, and passes all other requests to `onRequest`.
 */
export class OwnServer {
  readonly server: Server;
  readonly #context: Context;
  /**
   * Connections without a completed handshake, oldest first, keyed by the addresses and ports of
   * both ends. Any client that reaches the port can open such connections, so their number is
   * limited. Above the limit, a new connection replaces one from the network that has the most of
   * them.
   */
  readonly #unidentified = new Map<string, { readonly socket: Socket; readonly network: string }>();

  constructor(context: Context, onRequest: RequestListener) {
    this.#context = context;
    const { limits, security } = context;
    const options = {
      maxHeaderSize: 8_192,
      // By default, Node.js itself would refuse requests without a host header, so they would not
      // be counted. They are refused anyway, because they lack a handshake.
      requireHostHeader: false,
      headersTimeout: limits.handshakeTimeoutMs,
      requestTimeout: 0,
      connectionsCheckingInterval: Math.ceil(limits.handshakeTimeoutMs / 3),
    };
    const { serverOptions } = security;
    if (serverOptions === undefined) this.server = createServer(options, onRequest);
    else {
      const handshakeTimeout = limits.handshakeTimeoutMs;
      const server = createTlsServer({ ...options, ...serverOptions, handshakeTimeout }, onRequest);
      startTlsOnFirstBytes(server, handshakeTimeout, (socket) => {
        logRefusal(context, { reason: 'timeout', message: 'nothing arrived on it in time.' }, socket.remoteAddress);
      });
      server.on('tlsClientError', (error, socket) => this.#onTlsError(error, socket));
      security.serveOn(server);
      this.server = server;
    }
    this.server.on('connection', (socket: Socket) => this.#onConnection(socket));
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => this.#onClientError(error, socket));
    // Without these listeners, Node.js would answer `Expect` headers and close `CONNECT` tunnels
    // without counting them.
    this.server.on('checkExpectation', onRequest);
    this.server.on('connect', ({ socket }) => {
      logRefusal(context, { reason: 'method', message: 'a request asks for a tunnel.' }, socket.remoteAddress);
      socket.destroy();
    });
  }

  #onConnection(socket: Socket): void {
    const { limits, refusals } = this.#context;
    if (this.#unidentified.size >= limits.unidentified) {
      refusals.count('unidentified');
      this.#closeOne();
    }
    const ends = bothEnds(socket);
    this.#unidentified.set(ends, { socket, network: networkOf(socket.remoteAddress) });
    socket.once('close', () => {
      if (this.#unidentified.get(ends)?.socket === socket) this.#unidentified.delete(ends);
    });
  }

  /**
   * Closes the oldest connection from the network with the most connections. So a flood does not
   * replace the connection of a peer on another network. A peer on the same network completes its
   * handshake within a few round trips, so the oldest connection is unlikely to belong to a peer.
   */
  #closeOne(): void {
    const counts = new Map<string, number>();
    for (const { network } of this.#unidentified.values()) counts.set(network, (counts.get(network) ?? 0) + 1);
    const most = Math.max(...counts.values());
    for (const { socket, network } of this.#unidentified.values()) {
      if (counts.get(network) === most) return void socket.destroy();
    }
  }

  #onTlsError(error: NodeJS.ErrnoException, { authorizationError, remoteAddress }: TLSSocket): void {
    // Either the client has closed the connection, or this server has closed it and has already
    // counted the refusal.
    if (error.code === 'ECONNRESET' && !authorizationError) return;
    // The message contains only a Node.js or OpenSSL error code, and no text that a client can
    // choose.
    const message = `its TLS handshake failed (${String(authorizationError || error.code)})`;
    logRefusal(this.#context, { reason: 'tls', message }, remoteAddress);
  }

  /**
   * Called when a request cannot be parsed or a connection fails, even during the TLS handshake.
   */
  #onClientError({ code }: NodeJS.ErrnoException, socket: Socket): void {
    const refusal = parserRefusal(code);
    // Do not count bytes that follow a refused request on the same connection as another refusal.
    if (refusal === undefined || !socket.writable) return void socket.destroy();
    logRefusal(this.#context, refusal, socket.remoteAddress);
    // Another response is already being sent on this connection, so an answer here would corrupt
    // it.
    if (socket.bytesWritten > 0) return void socket.destroy();
    const status = STATUSES.get(refusal.reason) ?? '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
  }

  /** Called when the handshake on a connection is complete. */
  markIdentified(socket: Socket): void {
    this.#unidentified.delete(bothEnds(socket));
  }

  /** Starts listening. Rejects with `KONTIKI_LISTEN` if it cannot listen on the port. */
  async start({ host = LOOPBACK, port }: ListenOptions): Promise<void> {
    await listen(this.server, host, port);
    this.server.on('error', (error) => {
      this.#context.logger.log('error', 'server', `the server on port ${port} failed`, { error });
    });
  }

  /**
   * Stops listening and closes all connections except for upgraded ones, which no longer belong to
   * the server.
   */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
      for (const { socket } of this.#unidentified.values()) socket.destroy();
    });
  }
}

/**
 * Returns the endpoints of a socket as a string. A TLS socket and the TCP socket underneath have
 * the same endpoints.
 */
function bothEnds({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}
