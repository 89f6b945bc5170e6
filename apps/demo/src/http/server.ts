import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RequestQueue } from './request-queue.js';

/** Milliseconds that answers may take after `close`. */
const CLOSE_TIMEOUT = 2_000;

/** The HTTP server of one node, with limits on sizes, times and waiting requests. */
export class KvServer {
  readonly #server: Server;
  readonly #queue: RequestQueue;

  constructor(handle: (request: IncomingMessage, response: ServerResponse) => void) {
    this.#queue = new RequestQueue(handle);
    this.#server = createServer(
      {
        headersTimeout: 5_000,
        requestTimeout: 30_000,
        keepAliveTimeout: 60_000,
        connectionsCheckingInterval: 1_000,
        maxHeaderSize: 16 * 1024,
        noDelay: true,
      },
      (request, response) => this.#queue.add(request, response),
    );
    this.#server.maxConnections = 1_024;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Rejects with the system's error if the server cannot listen on the port. */
  async listen(port: number, host: string): Promise<void> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
  }

  /**
   * Accepts no more connections. Resolves when every request that has arrived is answered, or after
   * two seconds. Close the node at the same time, so that it answers its clients.
   */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    const timer = setTimeout(() => this.#server.closeAllConnections(), CLOSE_TIMEOUT);
    this.#server.close();
    this.#queue.close();
    await closed;
    clearTimeout(timer);
  }
}
