import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Duplex } from 'node:stream';
import {
  KontikiError,
  silent,
  type Identity,
  type Logger,
  type Message,
  type ServerId,
  type Transport,
} from '@kontiki/core';
import { Complaints, peerUrl, refuseOpenListening } from '@kontiki/peers';
import { Acceptor } from './acceptor.js';
import { Link } from './link.js';

const SCHEMES = ['ws:', 'wss:'];

export interface WebSocketTransportOptions {
  /** Listens on a port of its own; `host` is 127.0.0.1 by default, port 0 takes a free one. */
  readonly listen?: { readonly host?: string | undefined; readonly port: number } | undefined;
  /** Or takes part in the caller's own server, which the caller starts and closes. */
  readonly server?: Server | SecureServer | undefined;
  /** The path of peers' requests. Default `/`. */
  readonly path?: string | undefined;
  /** Lets it listen beyond this machine although peers are not authenticated. Default false. */
  readonly insecure?: boolean | undefined;
  readonly logger?: Logger | undefined;
}

/**
 * Moves messages over WebSockets. Each server dials every peer and sends on the connection it dialled, so a pair has
 * two: neither has to agree with the other on which one counts.
 */
export class WebSocketTransport implements Transport {
  readonly #options: WebSocketTransportOptions;
  readonly #complaints: Complaints;
  readonly #links = new Map<ServerId, Link>();
  #self: Identity | undefined;
  #acceptor: Acceptor | undefined;
  #server: Server | SecureServer | undefined;
  #ticker: NodeJS.Timeout | undefined;

  constructor(options: WebSocketTransportOptions) {
    if ((options.listen === undefined) === (options.server === undefined)) {
      throw new KontikiError('KONTIKI_BAD_OPTION', 'Give the transport either listen or server.');
    }
    if (options.listen !== undefined)
      refuseOpenListening(options.listen.host ?? '127.0.0.1', options.insecure === true);
    this.#options = options;
    this.#complaints = new Complaints(options.logger ?? silent);
  }

  /** The port it listens on; undefined before `start` and after `close`. */
  get port(): number | undefined {
    const address = this.#server?.address();
    return typeof address === 'object' ? address?.port : undefined;
  }

  async start(self: Identity, receive: (from: ServerId, message: Message) => void): Promise<void> {
    if (this.#self !== undefined)
      throw new KontikiError('KONTIKI_BAD_OPTION', 'This transport is in use by another node.');
    const { listen, server, path = '/', insecure = false } = this.#options;
    this.#acceptor = new Acceptor({ self, receive, complaints: this.#complaints, path, insecure });
    this.#server = server ?? ownServer();
    this.#server.on('upgrade', this.#upgrade);
    if (listen !== undefined) await this.#listen(listen.host ?? '127.0.0.1', listen.port);
    this.#self = self;
    this.#ticker = setInterval(() => {
      this.#acceptor?.tick();
      for (const link of this.#links.values()) link.ping();
    }, 1_000);
  }

  send(to: ServerId, messages: readonly Message[]): void {
    this.#links.get(to)?.send(messages);
  }

  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    const self = this.#self;
    if (self === undefined) return;
    for (const [id, link] of this.#links) if (!peers.has(id)) this.#drop(id, link);
    for (const [id, address] of peers) {
      let url: URL;
      try {
        url = peerUrl(address, SCHEMES);
      } catch (error) {
        this.#complaints.warn(`server ${id} cannot be reached`, (error as Error).message);
        continue;
      }
      const link = this.#links.get(id);
      if (link?.url === url.href) continue;
      if (link !== undefined) this.#drop(id, link);
      this.#links.set(id, new Link(self, id, url, this.#complaints));
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#ticker);
    this.#self = undefined;
    for (const [id, link] of this.#links) this.#drop(id, link);
    this.#acceptor?.close();
    const server = this.#server;
    this.#server = undefined;
    server?.off('upgrade', this.#upgrade);
    if (server === undefined || server === this.#options.server || !server.listening) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  readonly #upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const taken = this.#acceptor?.upgrade(request, socket, head) === true;
    // On the caller's server another path is another handler's business.
    if (!taken && this.#options.server === undefined) socket.destroy();
  };

  #drop(id: ServerId, link: Link): void {
    this.#links.delete(id);
    link.close();
  }

  async #listen(host: string, port: number): Promise<void> {
    const server = this.#server as Server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const why = error.code === 'EADDRINUSE' ? `port ${port} is in use by another process` : error.message;
        reject(
          new KontikiError('KONTIKI_LISTEN', `Cannot listen for peers on ${host}:${port}: ${why}.`, { cause: error }),
        );
      });
      server.listen(port, host, resolve);
    });
    server.removeAllListeners('error');
    server.on('error', (error) => this.#complaints.warn('the peers’ port reports an error', error.message));
  }
}

/** A server that does nothing but let peers upgrade. */
function ownServer(): Server {
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000 },
    (_request, response) => {
      response.writeHead(426, { 'Content-Type': 'text/plain', Connection: 'close' });
      response.end('This port is for the servers of a Kontiki cluster.\n');
    },
  );
  server.maxConnections = 256;
  return server;
}
