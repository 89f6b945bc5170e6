import { KontikiError } from '../errors.js';
import type { ServerId } from '../log/server.js';
import type { Logger } from '../ports/logger.js';
import type { Identity, Transport } from '../ports/transport.js';
import type { Message } from '../protocol/message.js';

/** The current transport of a node, which can be replaced while the node runs. */
export class TransportSwitch {
  readonly #logger: Logger;
  readonly #receive: (from: ServerId, message: Message) => void;
  #current: Transport;
  /**
   * The second transport during a replacement: the new transport until it has started, then the old
   * transport until it is closed.
   */
  #other: Transport | undefined;
  #self: Identity | undefined;
  #peers: ReadonlyMap<ServerId, string> = new Map();
  /** The newest replacement. Replacements run one at a time, in call order. */
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(transport: Transport, logger: Logger, receive: (from: ServerId, message: Message) => void) {
    this.#current = transport;
    this.#logger = logger;
    this.#receive = receive;
  }

  start(self: Identity): Promise<void> {
    this.#self = self;
    return this.#start(this.#current, self);
  }

  send(to: ServerId, messages: readonly Message[]): void {
    this.#current.send(to, messages);
  }

  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    this.#peers = peers;
    this.#current.setPeers(peers);
  }

  /**
   * Starts a transport, then closes the previous transport. If the new transport fails to start,
   * rejects and keeps the previous transport.
   */
  replace(transport: Transport): Promise<void> {
    const replaced = this.#last.then(() => this.#replace(transport));
    this.#last = replaced.catch(() => {
      // Only the caller of the failed replacement sees the error.
    });
    return replaced;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#current.close(), this.#other?.close()]);
  }

  async #replace(transport: Transport): Promise<void> {
    const before = this.#current;
    if (transport === before && !this.#closed) return;
    try {
      this.#refuseClosed();
      this.#other = transport;
      await this.#start(transport, this.#self as Identity);
      this.#refuseClosed();
      transport.setPeers(this.#peers);
    } catch (error) {
      await this.#discard(transport);
      throw error;
    }
    this.#current = transport;
    await this.#discard(before);
  }

  /** Starts a transport. Drops messages from this transport while it is not the current one. */
  #start(transport: Transport, self: Identity): Promise<void> {
    return transport.start(self, (from, message) => {
      if (transport === this.#current) this.#receive(from, message);
    });
  }

  async #discard(transport: Transport): Promise<void> {
    this.#other = transport;
    try {
      await transport.close();
    } catch (error) {
      this.#logger.warn('closing a replaced transport failed', { error });
    }
    this.#other = undefined;
  }

  #refuseClosed(): void {
    if (this.#closed)
      throw new KontikiError('KONTIKI_CLOSED', 'The node has ended, so its transport cannot be replaced.');
  }
}
