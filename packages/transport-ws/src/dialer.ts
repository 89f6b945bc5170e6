import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { ServerId } from '@kontiki/core';
import {
  checkHello,
  type Context,
  Reconnector,
  type Hello,
  helloHeaders,
  REFUSED_HEADER,
  describeReason,
} from '@kontiki/peers';
import { Connection, type ConnectionCallbacks } from './connection.js';
import { SUBPROTOCOL, socketOptions } from './settings.js';

export interface DialerCallbacks extends ConnectionCallbacks {
  onConnected(connection: Connection): void;
  /** An attempt came to nothing. */
  onFailed(): void;
}

/** Keeps one connection to one peer at one address, again and again, until it is closed. */
export class Dialer {
  readonly #context: Context;
  readonly #peer: ServerId;
  readonly #callbacks: DialerCallbacks;
  readonly #reconnector: Reconnector;
  #attempt: WebSocket | undefined;
  #connection: Connection | undefined;
  #closed = false;

  constructor(context: Context, peer: ServerId, address: string, callbacks: DialerCallbacks) {
    this.#context = context;
    this.#peer = peer;
    this.#callbacks = callbacks;
    this.#reconnector = new Reconnector(context, peer, address, (url) => this.#dial(url));
    this.#reconnector.start();
  }

  get address(): string {
    return this.#reconnector.address;
  }

  /** The peer has shown that it lives: dial it soon if it isn't being dialed. */
  reconnectSoon(): void {
    this.#reconnector.reconnectSoon();
  }

  tick(): void {
    this.#reconnector.tick();
    this.#connection?.tick();
  }

  close(): void {
    this.#closed = true;
    this.#reconnector.close();
    this.#attempt?.terminate();
    this.#connection?.terminate();
  }

  #dial(url: URL): void {
    const { self, limits } = this.#context;
    const sentGenesis = self.genesis;
    const ws = new WebSocket(url, SUBPROTOCOL, {
      ...socketOptions,
      headers: helloHeaders(self, this.#peer),
      // Masks keep scripts in browsers from feeding proxies forged requests. No browser is here, and masking in
      // JavaScript more than halves the throughput; ws skips it for a mask of zeros, which the standard allows.
      generateMask: (mask) => mask.fill(0),
    });
    this.#attempt = ws;
    const deadline = setTimeout(() => this.#unreachable(ws, 'it does not answer'), limits.handshakeTimeoutMs);
    let accepted: { hello: Hello; socket: Socket } | undefined;
    ws.on('upgrade', (response: IncomingMessage) => {
      try {
        accepted = { hello: checkHello(self, response.headers, this.#peer), socket: response.socket };
      } catch (error) {
        this.#refuse(ws, (error as Error).message);
      }
    });
    ws.on('unexpected-response', (_, response) => {
      const meaning = describeReason(response.headers[REFUSED_HEADER]);
      this.#refuse(ws, meaning === undefined ? `it answers ${response.statusCode}` : `it refuses: ${meaning}`);
    });
    ws.on('error', (error) => {
      if (this.#attempt === ws) this.#unreachable(ws, error.message);
    });
    ws.on('open', () => {
      clearTimeout(deadline);
      this.#attempt = undefined;
      if (accepted === undefined) return ws.terminate();
      const { hello, socket } = accepted;
      this.#connection = new Connection(this.#context, ws, socket, hello, sentGenesis, this.#callbacks);
      this.#reconnector.onConnected();
      this.#callbacks.onConnected(this.#connection);
    });
    ws.on('close', () => {
      clearTimeout(deadline);
      if (this.#attempt === ws) this.#attempt = undefined;
      const failed = this.#connection === undefined;
      this.#connection = undefined;
      if (this.#closed) return;
      if (failed) this.#callbacks.onFailed();
      this.#reconnector.onEnded();
    });
  }

  #refuse(ws: WebSocket, reason: string): void {
    this.#reconnector.onRefused(reason);
    this.#abandon(ws);
  }

  #unreachable(ws: WebSocket, reason: string): void {
    this.#reconnector.onUnreachable(reason);
    this.#abandon(ws);
  }

  #abandon(ws: WebSocket): void {
    if (this.#attempt === ws) this.#attempt = undefined;
    ws.terminate();
  }
}
