import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { isKontikiError, type Identity, type Message, type ServerId } from '@kontiki/core';
import { decodeFrame, MAX_FRAME } from '@kontiki/core/wire';
import { helloHeaders, isLoopback, PROTOCOL, readHello, refuseHello, type Complaints } from '@kontiki/peers';
import { WebSocketServer, type WebSocket } from 'ws';

/** Connections at the most: a membership has 32 servers, and each has one connection that is current and may have one that is dying. */
const MAX_CONNECTIONS = 64;
/** Seconds of silence after which a peer, which pings every second, counts as gone. */
const MAX_SILENCE = 5;

export interface AcceptorOptions {
  readonly self: Identity;
  readonly receive: (from: ServerId, message: Message) => void;
  readonly complaints: Complaints;
  /** Only requests for this path are peers'. */
  readonly path: string;
  readonly insecure: boolean;
}

interface Peer {
  readonly socket: WebSocket;
  silence: number;
}

/** Lets peers in by their handshake, before a single message of theirs is read, and decodes what they send. */
export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #server: WebSocketServer;
  readonly #peers = new Map<ServerId, Peer>();
  #closed = false;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: MAX_FRAME,
      maxFragments: 64,
      perMessageDeflate: false,
      // What is not in use must not be parsed.
      handleProtocols: () => PROTOCOL,
    });
    this.#server.on('headers', (headers, request) => {
      const to = readHello(request.headers)?.from ?? '';
      for (const [name, value] of Object.entries(helloHeaders(options.self, to))) headers.push(`${name}: ${value}`);
    });
  }

  /** An HTTP request that asks for a WebSocket. Another path is somebody else's: false. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const { self, path, complaints } = this.#options;
    if (new URL(request.url ?? '/', 'http://localhost').pathname !== path) return false;
    const hello = readHello(request.headers);
    const refusal = this.#refuse(request) ?? refuseHello(self, hello);
    if (refusal !== undefined || hello === undefined) {
      complaints.warn('a connection was refused', `${request.socket.remoteAddress}: ${refusal}`);
      socket.on('error', () => {});
      socket.end(
        `HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\nkontiki-refusal: ${refusal}\r\n\r\n`,
      );
      return true;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#accept(hello.from, webSocket));
    return true;
  }

  /** Called every second: ends what has gone silent. */
  tick(): void {
    for (const peer of this.#peers.values()) {
      peer.silence += 1;
      if (peer.silence > MAX_SILENCE) peer.socket.terminate();
    }
  }

  close(): void {
    this.#closed = true;
    for (const { socket } of this.#peers.values()) socket.terminate();
  }

  #refuse(request: IncomingMessage): string | undefined {
    if (this.#closed) return 'this server is closing';
    if (request.headers.origin !== undefined) return 'it comes from a browser';
    if (request.headers['sec-websocket-protocol'] !== PROTOCOL) return `it does not speak ${PROTOCOL}`;
    if (this.#peers.size >= MAX_CONNECTIONS) return `${MAX_CONNECTIONS} servers are connected already`;
    if (this.#options.insecure || isLoopback(request.socket.localAddress ?? '')) return undefined;
    return 'this server takes peers from its own machine only, since they are not authenticated';
  }

  #accept(from: ServerId, socket: WebSocket): void {
    const { receive, complaints } = this.#options;
    const peer: Peer = { socket, silence: 0 };
    // A peer dials again when it has lost the connection; the one it lost may not know yet.
    this.#peers.get(from)?.socket.terminate();
    this.#peers.set(from, peer);
    socket.on('ping', () => (peer.silence = 0));
    socket.on('message', (data, isBinary) => {
      if (this.#closed || this.#peers.get(from) !== peer) return;
      peer.silence = 0;
      try {
        if (!isBinary || !(data instanceof Buffer)) throw new TypeError('a text where a frame was due');
        for (const message of decodeFrame(data).messages) receive(from, message);
      } catch (error) {
        complaints.warn(
          `server ${from} sent what cannot be read; its connection is closed`,
          isKontikiError(error) ? error.message : String(error),
        );
        socket.terminate();
      }
    });
    socket.on('error', (error) => complaints.debug(`the connection of server ${from} failed`, error));
    socket.on('close', () => {
      if (this.#peers.get(from) === peer) this.#peers.delete(from);
    });
  }
}
