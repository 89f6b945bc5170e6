import type { IncomingMessage, ServerResponse } from 'node:http';
import { isKontikiError, type Message, type ServerId } from '@kontiki/core';
import { type Context, deliver, type Hello, SendQueue, type Peer, SILENT_TICKS } from '@kontiki/peers';
import { PeerClient } from './peer-client.js';
import { InboundRequest, type InboundCallbacks } from './inbound-request.js';

/** A peer has three requests under way; those of before a lost connection may still hang in a proxy. */
const MAX_INBOUND = 8;

/**
 * Another server: what waits for it, this server's requests to it and its requests to this one. What waits leaves with
 * requests and, while the peer cannot be reached, with the answers to its own: so this server can answer one whose
 * address it doesn't know yet, as a new server must until the log tells it its membership.
 */
export class HttpPeer implements Peer {
  readonly id: ServerId;
  readonly #context: Context;
  readonly #queue: SendQueue;
  /** All peers that call. */
  readonly #inboundPeers: Set<ServerId>;
  readonly #onIdle: () => void;
  readonly #inbound = new Set<InboundRequest>();
  #client: PeerClient | undefined;
  /** The request whose answer waits for something to say. */
  #held: InboundRequest | undefined;
  #incarnation: number | undefined;
  /** Looks since it last called, and nothing of it was under way. */
  #silent = 0;
  #closed = false;

  /** `onIdle`: called when there is no address and no request any more. */
  constructor(context: Context, id: ServerId, inboundPeers: Set<ServerId>, onIdle: () => void) {
    this.id = id;
    this.#context = context;
    this.#queue = new SendQueue(id, context.limits.queueBytes, context.logger);
    this.#inboundPeers = inboundPeers;
    this.#onIdle = onIdle;
  }

  dial(address: string | undefined): void {
    if (this.#client?.address === address) return;
    this.#client?.close();
    this.#client = undefined;
    if (address === undefined) return this.#onLost();
    this.#client = new PeerClient(this.#context, this.id, address, this.#queue, {
      onAnswered: (hello, frame) => {
        this.#noteIncarnation(hello);
        this.#receive(frame);
      },
      onLost: () => this.#onLost(),
    });
  }

  /** It calls, and its handshake was accepted. */
  accept(request: IncomingMessage, response: ServerResponse, hello: Hello): void {
    this.#silent = 0;
    this.#inboundPeers.add(this.id);
    this.#noteIncarnation(hello);
    const [oldest] = this.#inbound;
    if (this.#inbound.size >= MAX_INBOUND) oldest?.terminate();
    this.#inbound.add(new InboundRequest(this.#context, request, response, hello, this.#callbacks));
    this.#client?.reconnectSoon();
  }

  push(messages: readonly Message[]): void {
    this.#queue.push(messages);
  }

  flush(): void {
    if (this.#reached) this.#client?.flush();
    else if (!this.#queue.isEmpty) this.#release();
  }

  tick(): void {
    this.#client?.tick();
    this.#release();
    for (const request of this.#inbound) request.tick();
    if (!this.#inboundPeers.has(this.id) || this.#inbound.size > 0) return;
    this.#silent += 1;
    if (this.#silent < SILENT_TICKS) return;
    this.#inboundPeers.delete(this.id);
    this.#log('info', 'silent', `${this.id} has gone silent`);
    this.#onLost();
  }

  close(): void {
    this.#closed = true;
    this.#client?.close();
    for (const request of this.#inbound) request.terminate();
  }

  /** Whether what waits leaves with this server's own requests. */
  get #reached(): boolean {
    return this.#client?.isConnected === true;
  }

  readonly #callbacks: InboundCallbacks = {
    onBody: (request, body) => {
      if (this.#closed) return;
      try {
        this.#receive(body);
      } catch (error) {
        if (!isKontikiError(error, 'KONTIKI_PROTOCOL')) throw error;
        this.#log('warn', 'body', `refusing a request of ${this.id}: ${error.message}`);
        return request.reject(400);
      }
      this.#answer(request);
    },
    onClosed: (request) => {
      this.#inbound.delete(request);
      if (this.#held === request) this.#held = undefined;
    },
  };

  #receive(body: Buffer): void {
    if (body.length > 0) deliver(this.#context, this.id, body, () => !this.#closed);
  }

  #answer(request: InboundRequest): void {
    if (!request.polls) {
      request.answer(this.#reached ? undefined : this.#queue.takeUrgentFrame(), !this.#reached);
    } else {
      this.#release();
      this.#held = request;
      if (this.#reached || !this.#queue.isEmpty) this.#release();
    }
  }

  /** Answers the request that is held, with what waits: bulk leaves with such answers only, one at a time, so in order. */
  #release(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.answer(this.#reached ? undefined : this.#queue.takeFrame(), !this.#reached);
  }

  #noteIncarnation({ incarnation }: Hello): void {
    if (this.#incarnation !== undefined && this.#incarnation !== incarnation) {
      this.#log('info', 'restarted', `${this.id} has restarted`);
    }
    this.#incarnation = incarnation;
  }

  /**
   * The peer cannot be reached, or has stopped calling. When it is both, what waits is dropped: it continues what was
   * lost, and would be stale when the peer is back.
   */
  #onLost(): void {
    if (this.#reached || this.#inboundPeers.has(this.id)) return this.flush();
    this.#queue.clear();
    if (this.#client === undefined) this.#onIdle();
  }

  #log(level: 'info' | 'warn', topic: string, text: string): void {
    this.#context.logger.log(level, `${topic} ${this.id}`, text);
  }
}
