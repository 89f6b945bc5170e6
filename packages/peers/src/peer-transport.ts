import {
  type Identity,
  KontikiError,
  type Logger,
  type Message,
  type ServerId,
  silentLogger,
  type Transport,
} from '@kontiki/core';
import type { Context } from './context.js';
import { peerLimits, type PeerLimits } from './limits.js';
import type { TransportOptions } from './options.js';
import { ThrottledLogger } from './throttled-logger.js';

/** Another server, as a transport sees it. */
export interface Peer {
  readonly id: ServerId;
  /** Dials this address from now on, or none. */
  dial(address: string | undefined): void;
  push(messages: readonly Message[]): void;
  /** Hands over what waits, as far as there is room. */
  flush(): void;
  /** Called at every ping interval. */
  tick(): void;
  close(): void;
}

/** Where peers are let in. */
export interface Listener {
  /** The port it listens on. */
  readonly port: number | undefined;
  start(): Promise<void>;
  /** Lets nobody in any more. */
  close(): Promise<void>;
}

/** What transports over sockets have in common: when they start and end, and whom they know. */
export abstract class PeerTransport<P extends Peer> implements Transport {
  readonly #random: () => number;
  readonly #limits: PeerLimits;
  readonly #logger: Logger;
  readonly #peers = new Map<ServerId, P>();
  readonly #dirty = new Set<P>();
  #addresses: ReadonlyMap<ServerId, string> = new Map();
  #context: Context | undefined;
  #listener: Listener | undefined;
  #ticks: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  /** Throws `KONTIKI_BAD_OPTION`. Nothing is opened before `start`. */
  constructor(options: TransportOptions) {
    this.#limits = peerLimits(options.limits);
    this.#logger = options.logger ?? silentLogger;
    this.#random = options.random ?? Math.random;
  }

  /** `peer`: gives the peer of this id, a new one where it was not known. */
  protected abstract listener(context: Context, peer: (id: ServerId) => P): Listener;

  /** `onIdle`: called when there is neither an address nor a connection any more. */
  protected abstract peer(context: Context, id: ServerId, onIdle: () => void): P;

  /** The port it listens on, of use where the system chose it; undefined while it doesn't. */
  get port(): number | undefined {
    return this.#listener?.port;
  }

  /**
   * Rejects with `KONTIKI_LISTEN` when the port cannot be had, `KONTIKI_BAD_OPTION` when the application's server can
   * be reached from beyond this machine and `insecure` wasn't said, `KONTIKI_CLOSED` once it is closed.
   */
  async start(self: Identity, receive: (from: ServerId, message: Message) => void): Promise<void> {
    if (this.#closed !== undefined) throw closed();
    if (this.#context !== undefined) {
      throw new KontikiError('KONTIKI_BAD_OPTION', 'This transport serves a node already; each needs one of its own.');
    }
    const context: Context = {
      self,
      receive,
      limits: this.#limits,
      logger: new ThrottledLogger(this.#logger),
      random: this.#random,
    };
    this.#context = context;
    this.#listener = this.listener(context, (id) => this.#peer(context, id));
    await this.#listener.start();
    // It may have been closed while it waited for the port.
    if (this.#isClosed()) {
      await this.#listener.close();
      throw closed();
    }
    this.#ticks = setInterval(() => {
      for (const peer of this.#peers.values()) peer.tick();
    }, this.#limits.pingIntervalMs);
    this.#dial(context);
  }

  send(to: ServerId, messages: readonly Message[]): void {
    const peer = this.#peers.get(to);
    if (peer === undefined || this.#closed !== undefined) return;
    peer.push(messages);
    // Everything sent in one turn goes into one frame.
    if (this.#dirty.size === 0) queueMicrotask(() => this.#flush());
    this.#dirty.add(peer);
  }

  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    this.#addresses = new Map(peers);
    if (this.#context !== undefined && this.#ticks !== undefined) this.#dial(this.#context);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#ticks);
    const listening = this.#listener?.close();
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
    await listening;
  }

  #isClosed(): boolean {
    return this.#closed !== undefined;
  }

  #flush(): void {
    for (const peer of this.#dirty) peer.flush();
    this.#dirty.clear();
  }

  #dial(context: Context): void {
    for (const peer of this.#peers.values()) {
      if (!this.#addresses.has(peer.id)) peer.dial(undefined);
    }
    for (const [id, address] of this.#addresses) {
      if (id !== context.self.server) this.#peer(context, id).dial(address);
    }
  }

  #peer(context: Context, id: ServerId): P {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    const peer = this.peer(context, id, () => {
      if (this.#peers.get(id) === peer) this.#peers.delete(id);
    });
    this.#peers.set(id, peer);
    return peer;
  }
}

function closed(): KontikiError {
  return new KontikiError('KONTIKI_CLOSED', 'This transport is closed.');
}
