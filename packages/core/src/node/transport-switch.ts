import { KontikiError } from '../errors.js';
import type { ServerId } from '../log/server.js';
import type { Logger } from '../ports/logger.js';
import type { Identity, Transport } from '../ports/transport.js';
import type { Message } from '../protocol/message.js';

/** The transport that is in service, which may be replaced while the node runs. */
export class TransportSwitch {
  readonly #logger: Logger;
  readonly #receive: (from: ServerId, message: Message) => void;
  #current: Transport;
  /** The one that is to be in service next, or was until now. */
  #other: Transport | undefined;
  #self: Identity | undefined;
  #peers: ReadonlyMap<ServerId, string> = new Map();
  /** One replacement at a time, in the order of the calls. */
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(transport: Transport, logger: Logger, receive: (from: ServerId, message: Message) => void) {
    this.#current = transport;
    this.#logger = logger;
    this.#receive = receive;
  }

  start(self: Identity): Promise<void> {
    this.#self = self;
    return this.#begin(this.#current, self);
  }

  send(to: ServerId, messages: readonly Message[]): void {
    this.#current.send(to, messages);
  }

  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    this.#peers = peers;
    this.#current.setPeers(peers);
  }

  /** Starts a transport and, once it runs, closes the one before. Rejects, with the one before in service, when it does not start. */
  replace(transport: Transport): Promise<void> {
    const replaced = this.#last.then(() => this.#replace(transport));
    this.#last = replaced.catch(() => {
      // Its caller is told; whoever waits for its turn is not concerned.
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
      await this.#begin(transport, this.#self as Identity);
      this.#refuseClosed();
    } catch (error) {
      await this.#discard(transport);
      throw error;
    }
    this.#current = transport;
    transport.setPeers(this.#peers);
    await this.#discard(before);
  }

  /** What comes from a transport that isn't in service, or not any more, is as good as lost on the way. */
  #begin(transport: Transport, self: Identity): Promise<void> {
    return transport.start(self, (from, message) => {
      if (transport === this.#current) this.#receive(from, message);
    });
  }

  async #discard(transport: Transport): Promise<void> {
    this.#other = transport;
    try {
      await transport.close();
    } catch (error) {
      this.#logger.warn('a transport that is out of service could not be closed', { error });
    }
    this.#other = undefined;
  }

  #refuseClosed(): void {
    if (this.#closed) throw new KontikiError('KONTIKI_CLOSED', 'The node has ended: it takes no transport any more.');
  }
}
