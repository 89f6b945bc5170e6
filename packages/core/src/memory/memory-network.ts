import { KontikiError } from '../errors.js';
import type { ServerId } from '../log/server.js';
import { SystemClock } from '../node/system-clock.js';
import type { Clock } from '../ports/clock.js';
import type { Identity, Transport } from '../ports/transport.js';
import type { Message, Received } from '../protocol/message.js';
import { decodeFrame, encodeFrame, isStranger, MAX_FRAME } from '../wire/index.js';

export interface MemoryNetworkOptions {
  /** The clock that measures latencies. Default: the system's monotonic clock. */
  readonly clock?: Clock | undefined;
  /**
   * Returns the latency of a frame in milliseconds. Called for each frame. By default, the frame
   * arrives in the next turn of the event loop.
   */
  readonly latency?: (() => number) | undefined;
  /** Returns whether to drop a frame. Called for each frame. Default: no frame is dropped. */
  readonly loses?: (() => boolean) | undefined;
}

interface Endpoint {
  readonly self: Identity;
  readonly peers: () => ReadonlyMap<ServerId, string>;
  readonly receive: (from: ServerId, message: Received) => void;
}

/**
 * A network within one process, for tests and benchmarks. A server's address is its id. Frames are
 * encoded and decoded as on a real network, so servers share no objects. Connections between
 * servers can be cut in one or both directions, and restored.
 */
export class MemoryNetwork {
  readonly #clock: Clock;
  readonly #options: MemoryNetworkOptions;
  readonly #endpoints = new Map<ServerId, Endpoint>();
  readonly #cuts = new Set<string>();

  constructor(options: MemoryNetworkOptions = {}) {
    this.#clock = options.clock ?? new SystemClock();
    this.#options = options;
  }

  /** Creates a transport on this network for one node. */
  transport(): Transport {
    return new MemoryTransport(this);
  }

  /** Drops all later frames from `from` to `to`. */
  cut(from: ServerId, to: ServerId): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Disconnects a server from all other servers, in both directions. */
  isolate(id: ServerId): void {
    for (const other of this.#endpoints.keys()) {
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  heal(): void {
    this.#cuts.clear();
  }

  /** @internal */
  join(endpoint: Endpoint): void {
    const { server } = endpoint.self;
    if (this.#endpoints.has(server)) {
      throw new KontikiError('KONTIKI_LISTEN', `Server ${server} is on this network already.`);
    }
    this.#endpoints.set(server, endpoint);
  }

  /** @internal */
  leave(endpoint: Endpoint): void {
    if (this.#endpoints.get(endpoint.self.server) === endpoint) this.#endpoints.delete(endpoint.self.server);
  }

  /** @internal */
  carry({ self: from, peers }: Endpoint, to: ServerId, messages: readonly Message[]): void {
    // Two servers are connected if either server has passed the other server to `setPeers`.
    if (!peers().has(to) && this.#endpoints.get(to)?.peers().has(from.server) !== true) return;
    this.#send(from, to, messages);
  }

  #send(from: Identity, to: ServerId, messages: readonly Message[]): void {
    const frame = encoded(messages);
    if (frame === undefined) return;
    if (frame.length > MAX_FRAME) {
      if (messages.length > 1) for (const message of messages) this.#send(from, to, [message]);
      return;
    }
    if (this.#cuts.has(`${from.server}>${to}`) || this.#options.loses?.() === true) return;
    const arrive = (): void => this.#arrive(from, to, frame);
    const latency = this.#options.latency?.() ?? 0;
    if (latency <= 0) return this.#clock.defer(arrive);
    const timer = this.#clock.timer(() => {
      timer.close();
      arrive();
    });
    timer.set(this.#clock.now() + latency);
  }

  #arrive(from: Identity, to: ServerId, frame: Uint8Array): void {
    const endpoint = this.#endpoints.get(to);
    // Like the handshake of a real transport, refuse messages from servers of another cluster, with
    // different initial members, or with another epoch.
    if (endpoint === undefined || isStranger(endpoint.self, from)) return;
    for (const message of decodeFrame(frame).messages) {
      // `receive` may have closed the transport.
      if (this.#endpoints.get(to) !== endpoint) return;
      endpoint.receive(from.server, message);
    }
  }
}

/**
 * Encodes a frame. Returns undefined if a message cannot be encoded. The network then drops the
 * messages, as any transport would.
 */
function encoded(messages: readonly Message[]): Uint8Array | undefined {
  try {
    return encodeFrame(messages);
  } catch {
    return undefined;
  }
}

class MemoryTransport implements Transport {
  readonly #network: MemoryNetwork;
  #endpoint: Endpoint | undefined;
  #peers: ReadonlyMap<ServerId, string> = new Map();

  constructor(network: MemoryNetwork) {
    this.#network = network;
  }

  async start(self: Identity, receive: (from: ServerId, message: Received) => void): Promise<void> {
    const endpoint = { self, receive, peers: () => this.#peers };
    this.#network.join(endpoint);
    this.#endpoint = endpoint;
  }

  send(to: ServerId, messages: readonly Message[]): void {
    if (this.#endpoint !== undefined) this.#network.carry(this.#endpoint, to, messages);
  }

  setPeers(peers: ReadonlyMap<ServerId, string>): void {
    this.#peers = peers;
  }

  async close(): Promise<void> {
    if (this.#endpoint !== undefined) this.#network.leave(this.#endpoint);
    this.#endpoint = undefined;
  }
}
