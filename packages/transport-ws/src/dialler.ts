import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { ServerId } from '@kontiki/core';
import {
  Backoff,
  checkHello,
  type Hello,
  helloHeaders,
  parseAddress,
  REFUSED_HEADER,
  refusalMeaning,
} from '@kontiki/peers';
import { Connection, type ConnectionEvents } from './connection.js';
import type { Context } from './context.js';
import { SUBPROTOCOL, socketOptions } from './settings.js';

/**
 * Milliseconds. A connection that has lived so long was a good one: after it the delays begin anew. A peer that cannot
 * be reached for so long is worth a warning: before, it may just be starting.
 */
const PATIENCE = 5_000;

export interface DiallerEvents extends ConnectionEvents {
  connected(connection: Connection): void;
  /** An attempt came to nothing. */
  failed(): void;
}

/** Keeps one connection to one peer at one address, again and again, until it is closed. */
export class Dialler {
  readonly address: string;
  readonly #context: Context;
  readonly #peer: ServerId;
  readonly #url: URL | undefined;
  readonly #events: DiallerEvents;
  readonly #backoff: Backoff;
  #timer: NodeJS.Timeout | undefined;
  #attempt: WebSocket | undefined;
  #connection: Connection | undefined;
  /** When it began to be without a connection. */
  #without: number = performance.now();
  #hurried = false;
  #closed = false;

  constructor(context: Context, peer: ServerId, address: string, events: DiallerEvents) {
    const { limits, random } = context;
    this.address = address;
    this.#context = context;
    this.#peer = peer;
    this.#events = events;
    this.#backoff = new Backoff(limits.redialMin, limits.redialMax, random);
    try {
      this.#url = parseAddress(address, ['ws:', 'wss:']);
    } catch (error) {
      // It came with a membership, which cannot be refused any more: this peer can still dial us.
      this.#log('error', 'address', `cannot dial ${peer}`, { error });
    }
    this.#dial();
  }

  /** The peer has shown that it lives: dial it soon if it isn't being dialled. */
  hurry(): void {
    if (this.#timer === undefined || this.#hurried) return;
    // Once an attempt: somebody who connects all the time must not put the attempt off for ever.
    this.#hurried = true;
    this.#backoff.reset();
    this.#wait();
  }

  look(): void {
    this.#connection?.look();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#attempt?.terminate();
    this.#connection?.terminate();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#dial(), this.#backoff.next());
  }

  #dial(): void {
    this.#timer = undefined;
    this.#hurried = false;
    if (this.#url === undefined) return;
    const { self, limits } = this.#context;
    const told = self.origin;
    const ws = new WebSocket(this.#url, SUBPROTOCOL, {
      ...socketOptions,
      headers: helloHeaders(self, this.#peer),
      // Masks keep scripts in browsers from feeding proxies forged requests. No browser is here, and masking in
      // JavaScript more than halves the throughput; ws skips it for a mask of zeros, which the standard allows.
      generateMask: (mask) => mask.fill(0),
    });
    this.#attempt = ws;
    const deadline = setTimeout(() => this.#unreachable(ws, 'it does not answer'), limits.handshakeTimeout);
    let accepted: { hello: Hello; socket: Socket } | undefined;
    let opened = 0;
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
      opened = performance.now();
      const { hello, socket } = accepted;
      this.#connection = new Connection(this.#context, ws, socket, hello, told, this.#events);
      this.#log('info', 'connected', `connected to ${this.#peer}`, { address: this.address });
      this.#events.connected(this.#connection);
    });
    ws.on('close', () => {
      clearTimeout(deadline);
      if (this.#attempt === ws) this.#attempt = undefined;
      this.#connection = undefined;
      if (this.#closed) return;
      if (opened > 0) this.#without = performance.now();
      if (opened > 0 && performance.now() - opened >= PATIENCE) this.#backoff.reset();
      if (opened === 0) this.#events.failed();
      this.#wait();
    });
  }

  /** A server answers, and it is the wrong one or doesn't want this one: that doesn't heal by itself. */
  #refuse(ws: WebSocket, reason: string): void {
    this.#fail(ws, 'warn', 'refused', reason);
  }

  #unreachable(ws: WebSocket, reason: string): void {
    const lasting = performance.now() - this.#without >= PATIENCE;
    this.#fail(ws, lasting ? 'warn' : 'debug', lasting ? 'unreachable' : 'dial', reason);
  }

  #fail(ws: WebSocket, level: 'debug' | 'warn', topic: string, reason: string): void {
    if (!this.#closed) this.#log(level, topic, `cannot connect to ${this.#peer}: ${reason}`, { address: this.address });
    if (this.#attempt === ws) this.#attempt = undefined;
    ws.terminate();
  }

  #log(
    level: 'debug' | 'info' | 'warn' | 'error',
    topic: string,
    text: string,
    details: Readonly<Record<string, unknown>>,
  ): void {
    this.#context.logger.log(level, `${topic} ${this.#peer}`, text, details);
  }
}
