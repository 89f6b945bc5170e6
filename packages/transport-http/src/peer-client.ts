import { isKontikiError, type ServerId } from '@kontiki/core';
import {
  checkHello,
  type Context,
  Reconnector,
  type Hello,
  helloHeaders,
  type SendQueue,
  HandshakeError,
} from '@kontiki/peers';
import { type Outcome, OutboundRequest } from './outbound-request.js';
import { Endpoint } from './endpoint.js';
import { POLL_HEADER } from './settings.js';

/** At most one request of each is under way, so that bulk keeps its order and nothing urgent waits behind it. */
type Lane = 'bulk' | 'urgent' | 'poll';

export interface PeerClientCallbacks {
  /** The peer has answered, with a frame perhaps. Throws `KONTIKI_PROTOCOL` where it is none. */
  onAnswered(hello: Hello, frame: Buffer): void;
  /** It cannot be reached any more, or an attempt came to nothing. */
  onLost(): void;
}

/** Takes what waits for one peer to its address. Begins with an empty request: messages go only to who has shown who it is. */
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
  /** Nothing urgent has left since the last look. */
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

  /** Whether the peer has answered, and has gone on to. */
  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** The peer has shown that it lives: call it soon if it isn't being called. */
  reconnectSoon(): void {
    this.#reconnector.reconnectSoon();
  }

  flush(): void {
    if (!this.#isConnected) return;
    if (this.#queue.hasBulk && !this.#requests.has('bulk')) this.#request('bulk', this.#queue.takeFrame());
    if (this.#queue.hasUrgent && !this.#requests.has('urgent')) this.#request('urgent', this.#queue.takeUrgentFrame());
  }

  tick(): void {
    this.#reconnector.tick();
    for (const request of this.#requests.values()) request.tick();
    // Shows that both live, keeps a connection open, and tells what each has come to know of itself.
    if (this.#isConnected && this.#idle && !this.#requests.has('urgent')) this.#request('urgent', undefined);
    this.#idle = true;
  }

  close(): void {
    this.#reconnector.close();
    this.#abortAll();
  }

  #connect(url: URL): void {
    this.#endpoint ??= new Endpoint(url);
    this.#request('urgent', undefined);
    const request = this.#requests.get('urgent');
    this.#deadline = setTimeout(() => request?.fail('it does not answer'), this.#context.limits.handshakeTimeoutMs);
  }

  #request(lane: Lane, frame: Uint8Array | undefined): void {
    const { self, limits } = this.#context;
    const headers = helloHeaders(self, this.#peer);
    if (lane === 'poll') headers[POLL_HEADER] = '1';
    if (lane === 'urgent') this.#idle = false;
    const request = new OutboundRequest(this.#endpoint as Endpoint, headers, frame, limits, (outcome) =>
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
      const hello = checkHello(this.#context.self, headers, this.#peer);
      if (!this.#isConnected) this.#onConnected();
      this.#callbacks.onAnswered(hello, body);
    } catch (error) {
      if (!(error instanceof HandshakeError) && !isKontikiError(error, 'KONTIKI_PROTOCOL')) throw error;
      return this.#onRefused(error.message);
    }
    // The receiver may have closed the transport.
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
    this.#abortAll();
    this.#reconnector.onEnded();
    this.#callbacks.onLost();
  }

  #abortAll(): void {
    clearTimeout(this.#deadline);
    this.#isConnected = false;
    for (const request of this.#requests.values()) request.abort();
    this.#requests.clear();
    this.#endpoint?.closeConnections();
  }
}
