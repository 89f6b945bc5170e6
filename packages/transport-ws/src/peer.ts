import type { Message, ServerId } from '@kontiki/core';
import { type Context, type Peer, SendQueue } from '@kontiki/peers';
import type { Connection, ConnectionCallbacks } from './connection.js';
import { Dialer } from './dialer.js';

/**
 * A peer with its queue and at most two connections: one that this server dialed and one that it
 * accepted. Each server sends on the connection that it dialed, so the two servers need not agree
 * on which connection to keep. Until a server has dialed successfully, it sends on the accepted
 * connection. A new server needs this to answer its leader. The new server does not know the
 * leader's address until it has received the membership in the log.
 */
export class WebSocketPeer implements Peer {
  readonly id: ServerId;
  readonly #context: Context;
  readonly #queue: SendQueue;
  readonly #onIdle: () => void;
  #dialer: Dialer | undefined;
  #dialed: Connection | undefined;
  #accepted: Connection | undefined;

  /** `onIdle` is called when the peer has neither an address nor a connection any more. */
  constructor(context: Context, id: ServerId, onIdle: () => void) {
    this.id = id;
    this.#context = context;
    this.#queue = new SendQueue(id, context.limits.queueBytes, context.logger);
    this.#onIdle = onIdle;
  }

  /** Callbacks for the accepted connection. */
  readonly callbacks: ConnectionCallbacks = {
    onDrained: () => this.flush(),
    onClosed: (connection) => {
      if (this.#accepted === connection) this.#accepted = undefined;
      this.#onEnded();
    },
  };

  setAddress(address: string | undefined): void {
    if (this.#dialer?.address === address) return;
    this.#dialer?.close();
    this.#dialer = undefined;
    if (address === undefined) return this.#onEnded();
    this.#dialer = new Dialer(this.#context, this.id, address, {
      onConnected: (connection) => {
        this.#dialed = connection;
        this.flush();
      },
      onDrained: () => this.flush(),
      onFailed: () => this.#onEnded(),
      onClosed: (connection) => {
        if (this.#dialed === connection) this.#dialed = undefined;
        this.#onEnded();
      },
    });
  }

  /**
   * Replaces the accepted connection. A peer opens a new connection only after giving up the
   * previous one.
   */
  accept(connection: Connection): void {
    const previous = this.#accepted;
    this.#accepted = connection;
    if (previous !== undefined) {
      const restarted = previous.hello.incarnation !== connection.hello.incarnation;
      const text = `${this.id} opened a connection that replaces its previous one`;
      const { logger } = this.#context;
      logger.log('info', logger.topic('replaced', this.id), text, { restarted });
      previous.terminate();
    }
    this.#dialer?.reconnectSoon();
    this.flush();
  }

  push(messages: readonly Message[]): void {
    this.#queue.push(messages);
  }

  flush(): void {
    const connection = this.#dialed ?? this.#accepted;
    if (connection?.isReady !== true) return;
    const frame = this.#queue.takeFrame(connection.hello.framing, connection.memory);
    if (frame !== undefined) connection.send(frame);
  }

  tick(): void {
    this.#dialer?.tick();
    this.#accepted?.tick(this.#dialed === undefined);
  }

  close(): void {
    this.#dialer?.close();
    this.#dialer = undefined;
    this.#accepted?.terminate();
  }

  /**
   * Called when a connection has been lost or an attempt has failed. If no connection is left,
   * clears the queue. Messages before the queued ones are lost, so the queued ones would be
   * outdated on the next connection.
   */
  #onEnded(): void {
    if (this.#dialed !== undefined || this.#accepted !== undefined) return this.flush();
    this.#queue.clear();
    if (this.#dialer === undefined) this.#onIdle();
  }
}
