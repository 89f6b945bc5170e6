import type { KontikiError } from '../errors.js';
import type { ServerId } from '../log/server.js';
import type { Logger } from '../ports/logger.js';
import type { Identity, Transport } from '../ports/transport.js';
import type { Message, Received } from '../protocol/message.js';
import { unlessAborted } from './calls/limited.js';

/** The current transport of a node. It can be replaced while the node is running. */
export class TransportSwitch {
  readonly #logger: Logger;
  readonly #receive: (from: ServerId, message: Received) => void;
  #current: Transport;
  /**
   * The second transport during a replacement: first the new one until it has started, then the old
   * one until it is closed.
   */
  #other: Transport | undefined;
  #self: Identity | undefined;
  #peers: ReadonlyMap<ServerId, string> = new Map();
  /**
   * The most recent replacement of the transport. Replacements run one at a time, in call order.
   */
  #last: Promise<void> = Promise.resolve();
  /** The error for further replacements of the transport; undefined while the node is running. */
  #ended: KontikiError | undefined;

  constructor(transport: Transport, logger: Logger, receive: (from: ServerId, message: Received) => void) {
    this.#current = transport;
    this.#logger = logger;
    this.#receive = receive;
  }

  get refusals(): Readonly<Record<string, number>> {
    return this.#current.refusals ?? {};
  }

  start(self: Identity, signal: AbortSignal): Promise<void> {
    this.#self = self;
    return this.#start(this.#current, self, signal);
  }

  send(to: ServerId, messages: readonly Message[]): void {
    this.#current.send(to, messages);
  }

  checkAddresses(addresses: ReadonlyMap<ServerId, string>): void {
    this.#current.checkAddresses?.(addresses);
  }

  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    this.#peers = peers;
    this.#current.setPeers(peers);
  }

  /**
   * Starts a new transport, then closes the previous transport. Rejects and keeps the previous
   * transport if the new transport fails to start, or if `signal` is aborted first.
   */
  replace(transport: Transport, signal: AbortSignal): Promise<void> {
    const replaced = this.#last.then(() => this.#replace(transport, signal));
    this.#last = replaced.catch(() => {
      // Ignore the error here, because the caller that requested the failed replacement receives
      // it.
    });
    return replaced;
  }

  async close(ended: KontikiError): Promise<void> {
    this.#ended = ended;
    await Promise.all([this.#current.close(), this.#other?.close()]);
  }

  async #replace(transport: Transport, signal: AbortSignal): Promise<void> {
    const before = this.#current;
    if (transport === before && this.#ended === undefined) return;
    try {
      this.#refuseClosed();
      this.#other = transport;
      signal.throwIfAborted();
      transport.checkAddresses?.(this.#peers);
      await this.#start(transport, this.#self as Identity, signal);
      this.#refuseClosed();
      transport.setPeers(this.#peers);
    } catch (error) {
      await this.#discard(transport, signal);
      throw error;
    }
    this.#current = transport;
    await this.#discard(before, signal);
  }

  /** Starts a transport. Drops its messages while it is not the current transport. */
  async #start(transport: Transport, self: Identity, signal: AbortSignal): Promise<void> {
    const starting = transport.start(self, (from, message) => {
      if (transport === this.#current) this.#receive(from, message);
    });
    try {
      await unlessAborted(starting, signal);
    } catch (error) {
      // The caller is closing the transport. It may still finish starting later, so close it again
      // in that case.
      if (signal.aborted) void starting.then(() => transport.close()).catch(() => {});
      throw error;
    }
  }

  /** Closes a transport. Stops waiting for it when the signal is aborted. */
  async #discard(transport: Transport, signal: AbortSignal): Promise<void> {
    this.#other = transport;
    try {
      await unlessAborted(transport.close(), signal);
    } catch (error) {
      this.#logger.warn('closing a replaced transport failed', { error });
    }
    this.#other = undefined;
  }

  #refuseClosed(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }
}
