import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { ServerId } from '@kontiki/core';
import {
  checkHello,
  type Context,
  Dialling,
  type Hello,
  helloHeaders,
  REFUSED_HEADER,
  refusalMeaning,
} from '@kontiki/peers';
import { Connection, type ConnectionEvents } from './connection.js';
import { SUBPROTOCOL, socketOptions } from './settings.js';

export interface DiallerEvents extends ConnectionEvents {
  connected(connection: Connection): void;
  /** An attempt came to nothing. */
  failed(): void;
}

/** Keeps one connection to one peer at one address, again and again, until it is closed. */
export class Dialler {
  readonly #context: Context;
  readonly #peer: ServerId;
  readonly #events: DiallerEvents;
  readonly #dialling: Dialling;
  #attempt: WebSocket | undefined;
  #connection: Connection | undefined;
  #closed = false;

  constructor(context: Context, peer: ServerId, address: string, events: DiallerEvents) {
    this.#context = context;
    this.#peer = peer;
    this.#events = events;
    this.#dialling = new Dialling(context, peer, address, (url) => this.#dial(url));
    this.#dialling.start();
  }

  get address(): string {
    return this.#dialling.address;
  }

  /** The peer has shown that it lives: dial it soon if it isn't being dialled. */
  hurry(): void {
    this.#dialling.hurry();
  }

  look(): void {
    this.#dialling.look();
    this.#connection?.look();
  }

  close(): void {
    this.#closed = true;
    this.#dialling.close();
    this.#attempt?.terminate();
    this.#connection?.terminate();
  }

  #dial(url: URL): void {
    const { self, limits } = this.#context;
    const told = self.genesis;
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
      const meaning = refusalMeaning(response.headers[REFUSED_HEADER]);
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
      this.#connection = new Connection(this.#context, ws, socket, hello, told, this.#events);
      this.#dialling.connected();
      this.#events.connected(this.#connection);
    });
    ws.on('close', () => {
      clearTimeout(deadline);
      if (this.#attempt === ws) this.#attempt = undefined;
      const failed = this.#connection === undefined;
      this.#connection = undefined;
      if (this.#closed) return;
      if (failed) this.#events.failed();
      this.#dialling.ended();
    });
  }

  #refuse(ws: WebSocket, reason: string): void {
    this.#dialling.refused(reason);
    this.#abandon(ws);
  }

  #unreachable(ws: WebSocket, reason: string): void {
    this.#dialling.unreachable(reason);
    this.#abandon(ws);
  }

  #abandon(ws: WebSocket): void {
    if (this.#attempt === ws) this.#attempt = undefined;
    ws.terminate();
  }
}
