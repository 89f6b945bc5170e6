import type { ServerId } from '@kontiki/core';
import { parseAddress } from './address.js';
import { Backoff } from './backoff.js';
import type { Context } from './context.js';

/**
 * Milliseconds. A connection that has lived so long was a good one: after it the delays begin anew. A peer that cannot
 * be reached for so long is worth a warning: before, it may just be starting.
 */
const PATIENCE = 5_000;

/** When to try to reach one peer at one address, again and again, and what to say of it. The transport does the trying. */
export class Reconnector {
  readonly address: string;
  readonly #context: Context;
  readonly #peer: ServerId;
  readonly #url: URL | undefined;
  readonly #dial: (url: URL) => void;
  readonly #backoff: Backoff;
  #timer: NodeJS.Timeout | undefined;
  /** When it began to be without a connection. */
  #without: number = performance.now();
  /** When there came to be one. */
  #connected: number | undefined;
  #soon = false;
  #closed = false;

  /** `dial`: begins an attempt, whose end `connected` or `ended` tells. */
  constructor(context: Context, peer: ServerId, address: string, dial: (url: URL) => void) {
    const { limits, random } = context;
    this.address = address;
    this.#context = context;
    this.#peer = peer;
    this.#dial = dial;
    this.#backoff = new Backoff(limits.reconnectMinMs, limits.reconnectMaxMs, random);
    try {
      this.#url = parseAddress(address);
    } catch (error) {
      // It came with a membership, which cannot be refused any more: this peer can still dial us.
      this.#log('error', 'address', `cannot dial ${peer}`, { error });
    }
  }

  /** The first attempt, at once. */
  start(): void {
    this.#timer = undefined;
    if (this.#url !== undefined && !this.#closed) this.#dial(this.#url);
  }

  /** The peer has shown that it lives: it is dialed soon if it isn't being dialed. */
  reconnectSoon(): void {
    if (this.#timer === undefined || this.#soon) return;
    // Once a look: somebody who calls all the time must neither put the attempt off for ever nor have many made.
    this.#soon = true;
    this.#backoff.reset();
    this.#wait();
  }

  tick(): void {
    this.#soon = false;
  }

  onConnected(): void {
    this.#connected = performance.now();
    this.#log('info', 'connected', `connected to ${this.#peer}`, { address: this.address });
  }

  /** The connection, or the attempt at one, is over: another is made after a delay. */
  onEnded(): void {
    if (this.#closed) return;
    const now = performance.now();
    if (this.#connected !== undefined) {
      this.#without = now;
      if (now - this.#connected >= PATIENCE) this.#backoff.reset();
      this.#connected = undefined;
    }
    this.#wait();
  }

  /** A server answers, and it is the wrong one or doesn't want this one: that doesn't heal by itself. */
  onRefused(reason: string): void {
    this.#fail('warn', 'refused', reason);
  }

  onUnreachable(reason: string): void {
    const lasting = performance.now() - this.#without >= PATIENCE;
    this.#fail(lasting ? 'warn' : 'debug', lasting ? 'unreachable' : 'dial', reason);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.start(), this.#backoff.next());
  }

  #fail(level: 'debug' | 'warn', topic: string, reason: string): void {
    if (!this.#closed) this.#log(level, topic, `cannot connect to ${this.#peer}: ${reason}`, { address: this.address });
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
