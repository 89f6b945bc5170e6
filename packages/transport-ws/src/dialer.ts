import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { ServerId } from '@kontiki/core';
import {
  claimsOf,
  checkResponse,
  type Context,
  describeReason,
  type HandshakeError,
  type Hello,
  helloHeaders,
  parserRefusal,
  Reconnector,
  REFUSED_HEADER,
} from '@kontiki/peers';
import { Connection, type ConnectionCallbacks } from './connection.js';
import { SUBPROTOCOL, socketOptions } from './settings.js';

export interface DialerCallbacks extends ConnectionCallbacks {
  onConnected(connection: Connection): void;
  /** Called when an attempt fails. */
  onFailed(): void;
}

/**
 * Opens a connection to one peer at one address, and reconnects when the connection is lost, until
 * `close`.
 */
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

  /**
   * Shortens the delay before the next attempt. Called when something shows that the peer is alive.
   */
  reconnectSoon(): void {
    this.#reconnector.reconnectSoon();
  }

  tick(): void {
    this.#reconnector.tick();
    this.#connection?.tick(true);
  }

  close(): void {
    this.#closed = true;
    this.#reconnector.close();
    this.#attempt?.terminate();
    this.#connection?.terminate();
  }

  #dial(url: URL): void {
    const { self, limits, security } = this.#context;
    const sent = claimsOf(self);
    const ws = new WebSocket(url, SUBPROTOCOL, {
      ...socketOptions,
      ...security.clientOptions(self.cluster, this.#peer),
      headers: helloHeaders(self, this.#peer),
      // The mask of a WebSocket frame protects proxies from requests forged by scripts in browsers.
      // No browser is involved here, and masking in JavaScript more than halves the throughput. ws
      // skips masking if the mask is zero, which the standard allows.
      generateMask: (mask) => mask.fill(0),
    });
    this.#attempt = ws;
    const deadline = setTimeout(() => this.#onUnreachable(ws, 'it does not answer'), limits.handshakeTimeoutMs);
    let accepted: { hello: Hello; socket: Socket | null } | undefined;
    ws.on('upgrade', (response: IncomingMessage) => {
      try {
        const isKnown = sent.announced === self.announcements?.version;
        accepted = { hello: checkResponse(this.#context, response.headers, this.#peer), socket: response.socket };
        // The peer has just sent these addresses, so they need not be sent back to it.
        if (isKnown) sent.announced = self.announcements?.version;
      } catch (caught) {
        const error = caught as HandshakeError;
        this.#context.refusals.count(error.reason);
        this.#onRefused(ws, error.message);
      }
    });
    ws.on('unexpected-response', (_, response) => {
      const reason = describeReason(response.headers[REFUSED_HEADER]);
      this.#onRefused(ws, reason === undefined ? `it answers ${response.statusCode}` : `it refuses: ${reason}`);
    });
    ws.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#attempt !== ws) return;
      const refusal = parserRefusal(error.code);
      if (refusal !== undefined) this.#context.refusals.count(refusal.reason);
      this.#onUnreachable(ws, error.message);
    });
    ws.on('open', () => {
      clearTimeout(deadline);
      this.#attempt = undefined;
      if (accepted === undefined) return ws.terminate();
      const { hello, socket } = accepted;
      this.#connection = new Connection(this.#context, ws, socket, hello, sent, this.#callbacks);
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

  #onRefused(ws: WebSocket, reason: string): void {
    this.#reconnector.onRefused(reason);
    this.#abandon(ws);
  }

  #onUnreachable(ws: WebSocket, reason: string): void {
    this.#reconnector.onUnreachable(reason);
    this.#abandon(ws);
  }

  #abandon(ws: WebSocket): void {
    if (this.#attempt === ws) this.#attempt = undefined;
    ws.terminate();
  }
}
