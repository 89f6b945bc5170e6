import type { IncomingMessage, ServerResponse } from 'node:http';
import { isKontikiError, type Message, type ServerId } from '@kontiki/core';
import { type Context, deliver, type Hello, SendQueue, type Peer, SILENT_TICKS } from '@kontiki/peers';
import { Caller } from './caller.js';
import { Visit, type VisitEvents } from './visit.js';

/** A peer has three requests under way; those of before a lost connection may still hang in a proxy. */
const MAX_VISITS = 8;

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
  readonly #callers: Set<ServerId>;
  readonly #onIdle: () => void;
  readonly #visits = new Set<Visit>();
  #caller: Caller | undefined;
  /** The request whose answer waits for something to say. */
  #held: Visit | undefined;
  #incarnation: number | undefined;
  /** Looks since it last called, and nothing of it was under way. */
  #silent = 0;
  #closed = false;

  /** `onIdle`: called when there is no address and no request any more. */
  constructor(context: Context, id: ServerId, callers: Set<ServerId>, onIdle: () => void) {
    this.id = id;
    this.#context = context;
    this.#queue = new SendQueue(id, context.limits.queueBytes, context.logger);
    this.#callers = callers;
    this.#onIdle = onIdle;
  }

  dial(address: string | undefined): void {
    if (this.#caller?.address === address) return;
    this.#caller?.close();
    this.#caller = undefined;
    if (address === undefined) return this.#lost();
    this.#caller = new Caller(this.#context, this.id, address, this.#queue, {
      answered: (hello, frame) => {
        this.#meet(hello);
        this.#receive(frame);
      },
      lost: () => this.#lost(),
    });
  }

  /** It calls, and its handshake was accepted. */
  visit(request: IncomingMessage, response: ServerResponse, hello: Hello): void {
    this.#silent = 0;
    this.#callers.add(this.id);
    this.#meet(hello);
    const [oldest] = this.#visits;
    if (this.#visits.size >= MAX_VISITS) oldest?.terminate();
    this.#visits.add(new Visit(this.#context, request, response, hello, this.#events));
    this.#caller?.reconnectSoon();
  }

  push(messages: readonly Message[]): void {
    this.#queue.push(messages);
  }

  flush(): void {
    if (this.#reached) this.#caller?.flush();
    else if (!this.#queue.isEmpty) this.#release();
  }

  tick(): void {
    this.#caller?.tick();
    this.#release();
    for (const visit of this.#visits) visit.tick();
    if (!this.#callers.has(this.id) || this.#visits.size > 0) return;
    this.#silent += 1;
    if (this.#silent < SILENT_TICKS) return;
    this.#callers.delete(this.id);
    this.#log('info', 'silent', `${this.id} has gone silent`);
    this.#lost();
  }

  close(): void {
    this.#closed = true;
    this.#caller?.close();
    for (const visit of this.#visits) visit.terminate();
  }

  /** Whether what waits leaves with this server's own requests. */
  get #reached(): boolean {
    return this.#caller?.up === true;
  }

  readonly #events: VisitEvents = {
    arrived: (visit, body) => {
      if (this.#closed) return;
      try {
        this.#receive(body);
      } catch (error) {
        if (!isKontikiError(error, 'KONTIKI_PROTOCOL')) throw error;
        this.#log('warn', 'body', `refusing a request of ${this.id}: ${error.message}`);
        return visit.reject(400);
      }
      this.#answer(visit);
    },
    closed: (visit) => {
      this.#visits.delete(visit);
      if (this.#held === visit) this.#held = undefined;
    },
  };

  #receive(body: Buffer): void {
    if (body.length > 0) deliver(this.#context, this.id, body, () => !this.#closed);
  }

  #answer(visit: Visit): void {
    if (!visit.polls) {
      visit.answer(this.#reached ? undefined : this.#queue.takeUrgentFrame(), !this.#reached);
    } else {
      this.#release();
      this.#held = visit;
      if (this.#reached || !this.#queue.isEmpty) this.#release();
    }
  }

  /** Answers the request that is held, with what waits: bulk leaves with such answers only, one at a time, so in order. */
  #release(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.answer(this.#reached ? undefined : this.#queue.takeFrame(), !this.#reached);
  }

  #meet({ incarnation }: Hello): void {
    if (this.#incarnation !== undefined && this.#incarnation !== incarnation) {
      this.#log('info', 'restarted', `${this.id} has restarted`);
    }
    this.#incarnation = incarnation;
  }

  /**
   * The peer cannot be reached, or has stopped calling. When it is both, what waits is dropped: it continues what was
   * lost, and would be stale when the peer is back.
   */
  #lost(): void {
    if (this.#reached || this.#callers.has(this.id)) return this.flush();
    this.#queue.clear();
    if (this.#caller === undefined) this.#onIdle();
  }

  #log(level: 'info' | 'warn', topic: string, text: string): void {
    this.#context.logger.log(level, `${topic} ${this.id}`, text);
  }
}
