import {
  type Identity,
  KontikiError,
  type Logger,
  type Message,
  type Received,
  type ServerId,
  silentLogger,
  type Transport,
} from '@kontiki/core';
import { decodeFrame, protocolError } from '@kontiki/core/wire';
import { checkAddresses, misfit } from './address.js';
import { checkNames } from './check-names.js';
import { peerLimits, type PeerLimits } from './limits.js';
import type { Bound } from './listening.js';
import type { TransportOptions } from './options.js';
import { Refusals } from './refusals.js';
import { PeerSecurity, type PeerTls } from './security.js';
import { ThrottledLogger } from './throttled-logger.js';

/** The names of the options that all transports share (`TransportOptions`). */
const NAMES: readonly (keyof TransportOptions)[] = ['tls', 'secrets', 'insecure', 'logger', 'limits', 'random', 'dial'];

/** The identity, settings and callbacks that all parts of a started transport share. */
export interface Context {
  readonly self: Identity;
  readonly logger: ThrottledLogger;
  readonly limits: PeerLimits;
  readonly random: () => number;
  readonly dial: TransportOptions['dial'];
  readonly security: PeerSecurity;
  readonly refusals: Refusals;
  /** Returns whether a server is in the membership. */
  readonly isMember: (id: ServerId) => boolean;
  /** Topics for which a skipped message of an unknown kind has already been logged. */
  readonly skippedKinds: Set<string>;
  /** Passes a message from a peer to the node. */
  readonly receive: (from: ServerId, message: Received) => void;
}

/** Another server, its connections, and the messages queued for it. */
export interface Peer {
  readonly id: ServerId;
  /**
   * Sets the address to dial. Undefined stops dialing, for example when the peer is not in the
   * membership.
   */
  setAddress(address: string | undefined): void;
  /** Queues messages. The transport calls `flush` in the same turn of the event loop. */
  push(messages: readonly Message[]): void;
  /** Sends as many queued messages as the connections accept. */
  flush(): void;
  /** Checks the peer's connections. Called once per `pingIntervalMs`. */
  tick(): void;
  close(): void;
}

/** The part of a transport that accepts connections from peers. */
export interface Listener {
  /**
   * The address and port on which the listener accepts connections. Undefined while it is not
   * listening.
   */
  readonly bound: Bound | undefined;
  start(): Promise<void>;
  /** Checks the listener's connections. Called once per `pingIntervalMs`. */
  tick?(): void;
  /** Stops accepting connections. */
  close(): Promise<void>;
}

/**
 * The base class of transports that use sockets. It implements the `Transport` interface of
 * `@kontiki/core`. A subclass supplies the peers and the listener. A peer object is created when
 * the peer appears in a membership or connects, and is removed when it has neither an address nor a
 * connection. Messages sent in one turn of the event loop are queued and flushed together, so they
 * share a frame. One interval timer calls the `tick` of all peers once per `pingIntervalMs`. Long
 * timeouts are counted in ticks, so that they need no timers of their own.
 */
export abstract class PeerTransport<P extends Peer> implements Transport {
  readonly #random: () => number;
  readonly #dial: TransportOptions['dial'];
  readonly #limits: PeerLimits;
  readonly #logger: Logger;
  readonly #security: PeerSecurity;
  readonly #refusals = new Refusals();
  readonly #peers = new Map<ServerId, P>();
  /** Peers for which messages have been queued during this turn of the event loop. */
  readonly #dirty = new Set<P>();
  #addresses: ReadonlyMap<ServerId, string> = new Map();
  /** The most recently checked addresses, including this server's own address. */
  #checked: ReadonlyMap<ServerId, string> = new Map();
  #context: Context | undefined;
  #listener: Listener | undefined;
  #ticks: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  /**
   * `own` lists the names of the options that are specific to this kind of transport. Throws
   * `KONTIKI_BAD_OPTION` if an option is invalid or unknown. Opens no port and no connection.
   */
  constructor(options: TransportOptions, own: readonly string[]) {
    checkNames('transport', options, [...NAMES, ...own]);
    this.#limits = peerLimits(options.limits);
    this.#logger = options.logger ?? silentLogger;
    this.#random = options.random ?? Math.random;
    this.#dial = options.dial;
    if (this.#dial !== undefined && typeof this.#dial !== 'function')
      throw new KontikiError('KONTIKI_BAD_OPTION', `dial must be a function, not ${typeof this.#dial}.`);
    this.#security = new PeerSecurity(options);
  }

  /**
   * Creates a listener. `getPeer` returns the peer with the given id, and creates it if necessary.
   */
  protected abstract createListener(context: Context, getPeer: (id: ServerId) => P): Listener;

  /** Creates a peer, which calls `onIdle` once it has neither an address nor a connection. */
  protected abstract createPeer(context: Context, id: ServerId, onIdle: () => void): P;

  /**
   * The port on which the transport is listening, which is needed if the system chose the port.
   * Undefined while the transport is not listening.
   */
  get port(): number | undefined {
    return this.#listener?.bound?.port;
  }

  /**
   * Number of connections, requests, responses and messages that this server has refused, by
   * reason.
   */
  get refusals(): Readonly<Record<string, number>> {
    return this.#refusals.byReason;
  }

  /**
   * Replaces the certificate, the key and the authorities without a restart. Open connections stay
   * open. Throws `KONTIKI_BAD_OPTION` and changes nothing if the new values are invalid or the
   * certificate names another server.
   */
  setTls(tls: PeerTls): void {
    this.#security.setTls(tls, this.#context?.self);
  }

  /**
   * Replaces the shared secrets without a restart. Open connections stay open. To change a secret,
   * first add the new secret as the second secret of each server. Next, make it the first secret on
   * each server, and finally remove the old one. Throws `KONTIKI_BAD_OPTION` and changes nothing if
   * a secret is invalid.
   */
  setSecrets(secrets: readonly (string | Uint8Array)[]): void {
    this.#security.setSecrets(secrets);
  }

  /** Throws `KONTIKI_BAD_OPTION` if peers cannot be dialed at these addresses. */
  checkAddresses(addresses: ReadonlyMap<ServerId, string>): void {
    checkAddresses(addresses);
    this.#checked = addresses;
  }

  /**
   * Starts listening and dialing peers. Rejects with `KONTIKI_LISTEN` if the transport cannot
   * listen on the port. Rejects with `KONTIKI_BAD_OPTION` if this server's certificate does not
   * name this server. Also rejects with this code if other machines can reach the application's
   * server even though peers are not authenticated. Rejects with `KONTIKI_CLOSED` if the transport
   * has been closed.
   */
  async start(self: Identity, receive: (from: ServerId, message: Received) => void): Promise<void> {
    if (this.#closed !== undefined) throw closedError();
    if (this.#context !== undefined) {
      throw new KontikiError(
        'KONTIKI_BAD_OPTION',
        'This transport already serves a node. Create one transport for each node.',
      );
    }
    this.#security.checkOwnName(self);
    const isMember = (id: ServerId): boolean => this.#addresses.has(id);
    const context: Context = {
      self,
      receive,
      limits: this.#limits,
      logger: new ThrottledLogger(this.#logger, isMember),
      random: this.#random,
      dial: this.#dial,
      security: this.#security,
      refusals: this.#refusals,
      isMember,
      skippedKinds: new Set(),
    };
    this.#context = context;
    this.#listener = this.createListener(context, (id) => this.#getPeer(context, id));
    try {
      await this.#listener.start();
    } catch (error) {
      await this.close();
      throw error;
    }
    // `close` may have been called in the meantime.
    if (this.#isClosed()) {
      await this.#listener.close();
      throw closedError();
    }
    this.#reportMisfit(context);
    this.#ticks = setInterval(() => {
      this.#listener?.tick?.();
      for (const peer of this.#peers.values()) peer.tick();
    }, this.#limits.pingIntervalMs);
    this.#applyAddresses(context);
  }

  send(to: ServerId, messages: readonly Message[]): void {
    const peer = this.#peers.get(to);
    if (peer === undefined || this.#closed !== undefined) return;
    peer.push(messages);
    if (this.#dirty.size === 0) queueMicrotask(() => this.#flush());
    this.#dirty.add(peer);
  }

  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    this.#addresses = new Map(peers);
    if (this.#context !== undefined && this.#ticks !== undefined) this.#applyAddresses(this.#context);
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

  /**
   * Logs a warning if peers may be unable to reach the listener at this server's address in the
   * membership.
   */
  #reportMisfit({ self, logger }: Context): void {
    const address = this.#checked.get(self.server);
    const bound = this.#listener?.bound;
    const text = address === undefined || bound === undefined ? undefined : misfit(address, bound);
    if (text !== undefined) logger.log('warn', 'misfit', text);
  }

  #applyAddresses(context: Context): void {
    for (const peer of this.#peers.values()) {
      if (!this.#addresses.has(peer.id)) peer.setAddress(undefined);
    }
    for (const [id, address] of this.#addresses) {
      if (id !== context.self.server) this.#getPeer(context, id).setAddress(address);
    }
  }

  #getPeer(context: Context, id: ServerId): P {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    const peer = this.createPeer(context, id, () => {
      if (this.#peers.get(id) === peer) this.#peers.delete(id);
    });
    this.#peers.set(id, peer);
    return peer;
  }
}

/**
 * Decodes a frame and passes its messages to the node. Stops early if `isOpen` returns false.
 * Throws `KONTIKI_PROTOCOL` if the frame cannot be decoded.
 */
export function receiveFrame(context: Context, from: ServerId, bytes: Uint8Array, isOpen: () => boolean): void {
  const { group, messages, skipped } = decodeFrame(bytes);
  if (group !== 0) throw protocolError(`A frame has the unknown group ${group}.`);
  for (const kind of skipped) reportSkipped(context, from, kind);
  for (const message of messages) {
    // The node may close the transport while it handles a message.
    if (!isOpen()) return;
    context.receive(from, message);
  }
}

/** Logs once that a peer sends messages of a kind that this version does not know. */
function reportSkipped({ skippedKinds, logger }: Context, from: ServerId, kind: number): void {
  const topic = logger.topic(`skipped ${kind}`, from);
  if (skippedKinds.has(topic)) return;
  skippedKinds.add(topic);
  const text = `${from} sends messages of the unknown kind ${kind}, which are skipped. It runs a newer version: update this server.`;
  logger.log('warn', topic, text);
}

function closedError(): KontikiError {
  return new KontikiError('KONTIKI_CLOSED', 'This transport is closed. Create another one.');
}
