import type { Message, ServerId } from '@kontiki/core';
import { type Context, SendQueue, type Peer } from '@kontiki/peers';
import type { Connection, ConnectionCallbacks } from './connection.js';
import { Dialer } from './dialer.js';

/**
 * Another server: what waits for it and the connections with it, the one that this server dialed and the one that it
 * accepted. It sends on its own and, while it has none, on the other: so it can answer a server whose address it
 * doesn't know yet, as a new server must until the log tells it its membership.
 */
export class WebSocketPeer implements Peer {
  readonly id: ServerId;
  readonly #context: Context;
  readonly #queue: SendQueue;
  readonly #onIdle: () => void;
  #dialer: Dialer | undefined;
  #dialed: Connection | undefined;
  #accepted: Connection | undefined;

  /** `onIdle`: called when there is neither an address nor a connection any more. */
  constructor(context: Context, id: ServerId, onIdle: () => void) {
    this.id = id;
    this.#context = context;
    this.#queue = new SendQueue(id, context.limits.queueBytes, context.logger);
    this.#onIdle = onIdle;
  }

  /** What its accepted connection is to be made with. */
  readonly callbacks: ConnectionCallbacks = {
    onDrained: () => this.flush(),
    onClosed: (connection) => {
      if (this.#accepted === connection) this.#accepted = undefined;
      this.#lost();
    },
  };

  /** Dials this address from now on, or none. */
  dial(address: string | undefined): void {
    if (this.#dialer?.address === address) return;
    this.#dialer?.close();
    this.#dialer = undefined;
    if (address === undefined) return this.#lost();
    this.#dialer = new Dialer(this.#context, this.id, address, {
      onConnected: (connection) => {
        this.#dialed = connection;
        this.flush();
      },
      onDrained: () => this.flush(),
      onFailed: () => this.#lost(),
      onClosed: (connection) => {
        if (this.#dialed === connection) this.#dialed = undefined;
        this.#lost();
      },
    });
  }

  /** A new connection of the same server replaces the one before: that is the server's own newer word. */
  accept(connection: Connection): void {
    const before = this.#accepted;
    this.#accepted = connection;
    if (before !== undefined) {
      const restarted = before.hello.incarnation !== connection.hello.incarnation;
      const text = `${this.id} has connected anew`;
      this.#context.logger.log('info', `replaced ${this.id}`, text, { restarted });
      before.terminate();
    }
    this.#dialer?.reconnectSoon();
    this.flush();
  }

  push(messages: readonly Message[]): void {
    this.#queue.push(messages);
  }

  /** Hands over what waits, as far as a connection takes it. */
  flush(): void {
    const route = this.#dialed ?? this.#accepted;
    if (route?.ready !== true) return;
    const frame = this.#queue.takeFrame(route.memory);
    if (frame !== undefined) route.send(frame);
  }

  tick(): void {
    this.#dialer?.tick();
    this.#accepted?.tick();
  }

  close(): void {
    this.#dialer?.close();
    this.#dialer = undefined;
    this.#accepted?.terminate();
  }

  /**
   * A connection, or an attempt at one, has ended. When it was the last, what waits is dropped: it continues what was
   * lost with the connection, and would be stale on the next one.
   */
  #lost(): void {
    if (this.#dialed !== undefined || this.#accepted !== undefined) return this.flush();
    this.#queue.clear();
    if (this.#dialer === undefined) this.#onIdle();
  }
}
