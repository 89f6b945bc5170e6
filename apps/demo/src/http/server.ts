import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as immediate, setTimeout as delay } from 'node:timers/promises';
import type { SecureContextOptions } from 'node:tls';
import type { PeerTls } from '@kontiki/peers';
import { RequestQueue } from './request-queue.js';

/** How long idle connections stay open after `close`, in ticks of 20 ms. */
const LINGER_TICKS = 25;

/** Time limit for pending responses after `close`, in milliseconds. */
const CLOSE_TIMEOUT = 2_000;

/** The server's certificate and key, in PEM format. */
export type ServerTls = Pick<PeerTls, 'cert' | 'key'>;

/** The HTTP or HTTPS server of one node, with limits on sizes, times and waiting requests. */
export class KvServer {
  readonly #server: Server | SecureServer;
  readonly #sockets = new Set<Socket>();
  readonly #queue: RequestQueue;

  /** If `tls` is set, the server uses HTTPS. Clients need no certificate. */
  constructor(handle: (request: IncomingMessage, response: ServerResponse) => void, tls?: ServerTls) {
    this.#queue = new RequestQueue(handle);
    const limits = {
      headersTimeout: 5_000,
      requestTimeout: 30_000,
      keepAliveTimeout: 60_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 * 1024,
      noDelay: true,
    };
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => this.#queue.add(request, response);
    this.#server =
      tls === undefined
        ? createServer(limits, onRequest)
        : createSecureServer({ ...limits, ...contextOf(tls), handshakeTimeout: 5_000 }, onRequest);
    this.#server.maxConnections = 1_024;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Starts listening. Rejects with the system's error if the server cannot listen on the port. */
  async listen(port: number, host: string): Promise<void> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
  }

  /** Replaces the certificate. Open connections stay open. */
  setTls(tls: ServerTls): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(contextOf(tls));
  }

  /**
   * Ends each connection with its next response, and ends idle connections after half a second. A
   * client may have sent a request that has not arrived yet. If the server closed such a connection
   * at once, the client could not know whether the request had an effect. Resolves when every
   * request has been answered, or after two seconds. Close the node at the same time, so that the
   * node answers its clients.
   */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    // `closeAllConnections` would miss connections in the TLS handshake.
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, CLOSE_TIMEOUT);
    this.#queue.close();
    await this.#linger();
    this.#server.close();
    await closed;
    clearTimeout(timer);
  }

  /**
   * Waits until all connections have ended, for a limited time. After a stall, this process may not
   * have read all bytes that have arrived. The time is therefore counted in ticks of the event
   * loop, and the last tick ends after a read.
   */
  async #linger(): Promise<void> {
    for (let tick = 0; tick < LINGER_TICKS && this.#sockets.size > 0; tick += 1) await delay(20);
    await immediate();
  }
}

function contextOf({ cert, key }: ServerTls): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2' };
}
