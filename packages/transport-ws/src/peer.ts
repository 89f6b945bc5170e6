import type { Message, ServerId } from '@kontiki/core';
import { encodeFrame } from '@kontiki/core/wire';
import { Outbox } from '@kontiki/peers';
import type { Connection, ConnectionEvents } from './connection.js';
import type { Context } from './context.js';
import { Dialler } from './dialler.js';

/**
 * Another server: what waits for it and the connections with it, the one that this server dialled and the one that it
 * accepted. It sends on its own and, while it has none, on the other: so it can answer a server whose address it
 * doesn't know yet, as a new server must until the log tells it its membership.
 */
export class Peer {
  readonly id: ServerId;
  readonly #context: Context;
  readonly #outbox: Outbox;
  readonly #onIdle: (peer: Peer) => void;
  #dialler: Dialler | undefined;
  #dialled: Connection | undefined;
  #accepted: Connection | undefined;

  /** `onIdle`: called when there is neither an address nor a connection any more. */
  constructor(context: Context, id: ServerId, onIdle: (peer: Peer) => void) {
    this.id = id;
    this.#context = context;
    this.#outbox = new Outbox(context.limits.queueBytes);
    this.#onIdle = onIdle;
  }

  /** What its accepted connection is to be made with. */
  readonly events: ConnectionEvents = {
    drained: () => this.flush(),
    closed: (connection) => {
      if (this.#accepted === connection) this.#accepted = undefined;
      this.#lost();
    },
  };

  /** Dials this address from now on, or none. */
  dial(address: string | undefined): void {
    if (this.#dialler?.address === address) return;
    this.#dialler?.close();
    this.#dialler = undefined;
    if (address === undefined) return this.#lost();
    this.#dialler = new Dialler(this.#context, this.id, address, {
      connected: (connection) => {
        this.#dialled = connection;
        this.flush();
      },
      drained: () => this.flush(),
      failed: () => this.#lost(),
      closed: (connection) => {
        if (this.#dialled === connection) this.#dialled = undefined;
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
      this.#log('info', 'replaced', `${this.id} has connected anew`, { restarted });
      before.terminate();
    }
    this.#dialler?.hurry();
    this.flush();
  }

  push(messages: readonly Message[]): void {
    for (const message of messages) {
      const pushed = this.#outbox.push(message);
      if (pushed === 'full') this.#log('debug', 'full', `dropping messages to ${this.id}: too many wait for it`);
      else if (pushed === 'tooLarge') {
        this.#log('error', 'large', `dropping a message to ${this.id}: it is larger than any frame may be`);
      }
    }
  }

  /** Hands over what waits, as far as a connection takes it. */
  flush(): void {
    const route = this.#dialled ?? this.#accepted;
    if (route?.ready !== true || this.#outbox.empty) return;
    const messages = this.#outbox.take();
    let frame: Uint8Array;
    try {
      frame = encodeFrame(messages);
    } catch (error) {
      // A fault of this server's own, say a number that is none. Its node goes on; the message is as good as lost.
      this.#log('error', 'encode', `dropping messages to ${this.id} that cannot be encoded`, { error });
      return;
    }
    route.send(frame);
  }

  look(): void {
    this.#dialled?.look();
    this.#accepted?.look();
  }

  close(): void {
    this.#dialler?.close();
    this.#dialler = undefined;
    this.#accepted?.terminate();
  }

  /**
   * A connection, or an attempt at one, has ended. When it was the last, what waits is dropped: it continues what was
   * lost with the connection, and would be stale on the next one.
   */
  #lost(): void {
    if (this.#dialled !== undefined || this.#accepted !== undefined) return this.flush();
    this.#outbox.clear();
    if (this.#dialler === undefined) this.#onIdle(this);
  }

  #log(
    level: 'debug' | 'info' | 'error',
    topic: string,
    text: string,
    details?: Readonly<Record<string, unknown>>,
  ): void {
    this.#context.logger.log(level, `${topic} ${this.id}`, text, details);
  }
}
