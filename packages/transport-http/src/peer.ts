import type { IncomingMessage, ServerResponse } from 'node:http';
import { isKontikiError, type Message, type ServerId } from '@kontiki/core';
import { type Context, type Hello, type Peer, receiveFrame, SendQueue, SILENT_TICKS } from '@kontiki/peers';
import { type InboundCallbacks, InboundRequest } from './inbound-request.js';
import { PeerClient } from './peer-client.js';

/**
 * Maximum number of open requests from one peer. A peer sends three at a time, but older requests
 * from a lost connection may still be open in a proxy.
 */
const MAX_INBOUND = 8;

/**
 * A peer with its queue, this server's requests to the peer, and the peer's requests to this
 * server. Queued messages are sent in requests. While this server cannot reach the peer, the
 * messages are sent in responses, and each response asks the peer to poll. A new server needs this
 * to answer its leader. The new server does not know the leader's address until it has received the
 * membership in the log.
 */
export class HttpPeer implements Peer {
  readonly id: ServerId;
  readonly #context: Context;
  readonly #queue: SendQueue;
  /**
   * Ids of all peers that are currently sending requests to this server. All `HttpPeer`s share this
   * set.
   */
  readonly #inboundPeers: Set<ServerId>;
  readonly #onIdle: () => void;
  readonly #inbound = new Set<InboundRequest>();
  #client: PeerClient | undefined;
  /** A poll request, answered when there are messages for the peer or at the next tick. */
  #held: InboundRequest | undefined;
  #incarnation: number | undefined;
  /** Number of ticks since the peer's last request during which no request was open. */
  #silentTicks = 0;
  #closed = false;

  /** `onIdle` is called when the peer has no address and sends no requests. */
  constructor(context: Context, id: ServerId, inboundPeers: Set<ServerId>, onIdle: () => void) {
    this.id = id;
    this.#context = context;
    this.#queue = new SendQueue(id, context.limits.queueBytes, context.logger);
    this.#inboundPeers = inboundPeers;
    this.#onIdle = onIdle;
  }

  setAddress(address: string | undefined): void {
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

  /** Handles a request from this peer. The handshake has already been accepted. */
  accept(request: IncomingMessage, response: ServerResponse, hello: Hello): void {
    this.#silentTicks = 0;
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
    if (this.#isReachable) this.#client?.flush();
    else if (!this.#queue.isEmpty) this.#answerHeld();
  }

  tick(): void {
    this.#client?.tick();
    this.#answerHeld();
    for (const request of this.#inbound) request.tick();
    if (!this.#inboundPeers.has(this.id) || this.#inbound.size > 0) return;
    this.#silentTicks += 1;
    if (this.#silentTicks < SILENT_TICKS) return;
    this.#inboundPeers.delete(this.id);
    this.#log('info', 'silent', `${this.id} is silent: it has sent no requests for ${SILENT_TICKS} ticks`);
    this.#onLost();
  }

  close(): void {
    this.#closed = true;
    this.#client?.close();
    for (const request of this.#inbound) request.terminate();
  }

  /** Whether queued messages are sent in requests instead of responses. */
  get #isReachable(): boolean {
    return this.#client?.isConnected === true;
  }

  readonly #callbacks: InboundCallbacks = {
    onBody: (request, body) => {
      if (this.#closed) return;
      try {
        this.#receive(body);
      } catch (error) {
        if (!isKontikiError(error, 'KONTIKI_PROTOCOL')) throw error;
        this.#context.refusals.count('frame');
        this.#log('warn', 'body', `refused a request from ${this.id}: ${error.message}`);
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
    if (body.length > 0) receiveFrame(this.#context, this.id, body, () => !this.#closed);
  }

  #answer(request: InboundRequest): void {
    if (!request.polls) {
      const { framing } = request;
      request.answer(this.#isReachable ? undefined : this.#queue.takeUrgentFrame(framing), !this.#isReachable);
    } else {
      this.#answerHeld();
      this.#held = request;
      if (this.#isReachable || !this.#queue.isEmpty) this.#answerHeld();
    }
  }

  /**
   * Answers the held poll with the queued messages. While the peer is unreachable, bulk messages
   * are sent only in these responses, one response at a time, so they keep their order.
   */
  #answerHeld(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.answer(this.#isReachable ? undefined : this.#queue.takeFrame(held.framing), !this.#isReachable);
  }

  #noteIncarnation({ incarnation }: Hello): void {
    if (this.#incarnation !== undefined && this.#incarnation !== incarnation) {
      this.#log('info', 'restarted', `${this.id} restarted`);
    }
    this.#incarnation = incarnation;
  }

  /**
   * Called when the peer becomes unreachable or silent. If it is both, clears the queue. Messages
   * before the queued ones are lost, so the queued ones would be outdated when the peer returns.
   */
  #onLost(): void {
    if (this.#isReachable || this.#inboundPeers.has(this.id)) return this.flush();
    this.#queue.clear();
    if (this.#client === undefined) this.#onIdle();
  }

  #log(level: 'info' | 'warn', reason: string, text: string): void {
    const { logger } = this.#context;
    logger.log(level, logger.topic(reason, this.id), text);
  }
}
