import { isKontikiError, type ServerId } from '@kontiki/core';
import { FRAMING } from '@kontiki/core/wire';
import {
  checkResponse,
  type Context,
  HandshakeError,
  type Hello,
  helloHeaders,
  Reconnector,
  type SendQueue,
} from '@kontiki/peers';
import { Endpoint } from './endpoint.js';
import { type Outcome, OutboundRequest } from './outbound-request.js';
import { POLL_HEADER } from './settings.js';

/**
 * Kind of request. At most one request of each kind is open at a time. Bulk messages therefore keep
 * their order, and urgent messages do not wait for bulk messages.
 */
type Lane = 'bulk' | 'urgent' | 'poll';

export interface PeerClientCallbacks {
  /**
   * Called for each response. `frame` may be empty. Throws `KONTIKI_PROTOCOL` for an invalid frame.
   */
  onAnswered(hello: Hello, frame: Buffer): void;
  /** Called when the peer becomes unreachable or an attempt fails. */
  onLost(): void;
}

/**
 * Sends the queued messages for one peer to the peer's address. The first request is empty, so that
 * a server receives messages only after its response has identified it. The client is connected
 * from the first valid response until a request fails or is refused.
 */
export class PeerClient {
  readonly #context: Context;
  readonly #peer: ServerId;
  readonly #queue: SendQueue;
  readonly #callbacks: PeerClientCallbacks;
  readonly #reconnector: Reconnector;
  readonly #requests = new Map<Lane, OutboundRequest>();
  #endpoint: Endpoint | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #isConnected = false;
  /**
   * The version in which to encode frames for the peer, as announced in the peer's newest response.
   */
  #framing = FRAMING.min;
  /** Whether no urgent request has been sent since the last tick. */
  #idle = true;

  constructor(context: Context, peer: ServerId, address: string, queue: SendQueue, callbacks: PeerClientCallbacks) {
    this.#context = context;
    this.#peer = peer;
    this.#queue = queue;
    this.#callbacks = callbacks;
    this.#reconnector = new Reconnector(context, peer, address, (url) => this.#connect(url));
    this.#reconnector.start();
  }

  get address(): string {
    return this.#reconnector.address;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /**
   * Shortens the delay before the next attempt. Called when something shows that the peer is alive.
   */
  reconnectSoon(): void {
    this.#reconnector.reconnectSoon();
  }

  flush(): void {
    if (!this.#isConnected) return;
    if (this.#queue.hasBulk && !this.#requests.has('bulk')) this.#request('bulk', this.#queue.takeFrame(this.#framing));
    if (this.#queue.hasUrgent && !this.#requests.has('urgent')) {
      this.#request('urgent', this.#queue.takeUrgentFrame(this.#framing));
    }
  }

  tick(): void {
    this.#reconnector.tick();
    for (const request of this.#requests.values()) request.tick();
    // An empty request shows that both servers are alive and keeps a connection open. The request
    // also repeats the handshake, because a blank server may have received its genesis since the
    // last one.
    if (this.#isConnected && this.#idle && !this.#requests.has('urgent')) this.#request('urgent', undefined);
    this.#idle = true;
  }

  close(): void {
    this.#reconnector.close();
    this.#disconnect();
  }

  #connect(url: URL): void {
    const { self, security } = this.#context;
    this.#endpoint = new Endpoint(url, () => security.clientOptions(self.cluster, this.#peer));
    this.#request('urgent', undefined);
    const request = this.#requests.get('urgent');
    this.#deadline = setTimeout(() => request?.fail('it does not answer'), this.#context.limits.handshakeTimeoutMs);
  }

  #request(lane: Lane, frame: Uint8Array | undefined): void {
    const headers = helloHeaders(this.#context.self, this.#peer);
    if (lane === 'poll') headers[POLL_HEADER] = '1';
    if (lane === 'urgent') this.#idle = false;
    const request = new OutboundRequest(this.#endpoint as Endpoint, headers, frame, this.#context, (outcome) =>
      this.#onSettled(lane, outcome),
    );
    this.#requests.set(lane, request);
  }

  #onSettled(lane: Lane, outcome: Outcome): void {
    this.#requests.delete(lane);
    if (outcome.kind === 'refused') return this.#onRefused(outcome.reason);
    if (outcome.kind === 'unreachable') {
      this.#reconnector.onUnreachable(outcome.reason);
      return this.#onLost();
    }
    const { headers, body } = outcome;
    try {
      const hello = checkResponse(this.#context, headers, this.#peer);
      this.#framing = hello.framing;
      if (!this.#isConnected) this.#onConnected();
      this.#callbacks.onAnswered(hello, body);
    } catch (error) {
      if (!isKontikiError(error, 'KONTIKI_PROTOCOL')) throw error;
      this.#context.refusals.count(error instanceof HandshakeError ? error.reason : 'frame');
      return this.#onRefused(error.message);
    }
    // `onAnswered` may have closed the transport.
    if (!this.#isConnected) return;
    if (headers[POLL_HEADER] !== undefined && !this.#requests.has('poll')) this.#request('poll', undefined);
    this.flush();
  }

  #onConnected(): void {
    clearTimeout(this.#deadline);
    this.#isConnected = true;
    this.#reconnector.onConnected();
  }

  #onRefused(reason: string): void {
    this.#reconnector.onRefused(reason);
    this.#onLost();
  }

  #onLost(): void {
    this.#disconnect();
    this.#reconnector.onEnded();
    this.#callbacks.onLost();
  }

  #disconnect(): void {
    clearTimeout(this.#deadline);
    this.#isConnected = false;
    for (const request of this.#requests.values()) request.abort();
    this.#requests.clear();
    this.#endpoint?.closeConnections();
  }
}
