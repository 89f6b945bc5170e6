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
import { type Outcome, Post } from './post.js';
import { Route } from './route.js';
import { POLL_HEADER } from './settings.js';

/** At most one request of each is under way, so that bulk keeps its order and nothing urgent waits behind it. */
type Lane = 'bulk' | 'urgent' | 'poll';

export interface CallerEvents {
  /** The peer has answered, with a frame perhaps. Throws `KONTIKI_PROTOCOL` where it is none. */
  answered(hello: Hello, frame: Buffer): void;
  /** It cannot be reached any more, or an attempt came to nothing. */
  lost(): void;
}

/** Takes what waits for one peer to its address. Begins with an empty request: messages go only to who has shown who it is. */
export class Caller {
  readonly #context: Context;
  readonly #peer: ServerId;
  readonly #queue: SendQueue;
  readonly #events: CallerEvents;
  readonly #reconnector: Reconnector;
  readonly #posts = new Map<Lane, Post>();
  #route: Route | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #up = false;
  /** Nothing urgent has left since the last look. */
  #idle = true;

  constructor(context: Context, peer: ServerId, address: string, queue: SendQueue, events: CallerEvents) {
    this.#context = context;
    this.#peer = peer;
    this.#queue = queue;
    this.#events = events;
    this.#reconnector = new Reconnector(context, peer, address, (url) => this.#greet(url));
    this.#reconnector.start();
  }

  get address(): string {
    return this.#reconnector.address;
  }

  /** Whether the peer has answered, and has gone on to. */
  get up(): boolean {
    return this.#up;
  }

  /** The peer has shown that it lives: call it soon if it isn't being called. */
  reconnectSoon(): void {
    this.#reconnector.reconnectSoon();
  }

  flush(): void {
    if (!this.#up) return;
    if (this.#queue.hasBulk && !this.#posts.has('bulk')) this.#post('bulk', this.#queue.takeFrame());
    if (this.#queue.hasUrgent && !this.#posts.has('urgent')) this.#post('urgent', this.#queue.takeUrgentFrame());
  }

  tick(): void {
    this.#reconnector.tick();
    for (const post of this.#posts.values()) post.tick();
    // Shows that both live, keeps a connection open, and tells what each has come to know of itself.
    if (this.#up && this.#idle && !this.#posts.has('urgent')) this.#post('urgent', undefined);
    this.#idle = true;
  }

  close(): void {
    this.#reconnector.close();
    this.#hangUp();
  }

  #greet(url: URL): void {
    this.#route ??= new Route(url);
    this.#post('urgent', undefined);
    const post = this.#posts.get('urgent');
    this.#deadline = setTimeout(() => post?.fail('it does not answer'), this.#context.limits.handshakeTimeoutMs);
  }

  #post(lane: Lane, frame: Uint8Array | undefined): void {
    const { self, limits } = this.#context;
    const headers = helloHeaders(self, this.#peer);
    if (lane === 'poll') headers[POLL_HEADER] = '1';
    if (lane === 'urgent') this.#idle = false;
    const post = new Post(this.#route as Route, headers, frame, limits, (outcome) => this.#settled(lane, outcome));
    this.#posts.set(lane, post);
  }

  #settled(lane: Lane, outcome: Outcome): void {
    this.#posts.delete(lane);
    if (outcome.kind === 'refused') return this.#refused(outcome.reason);
    if (outcome.kind === 'unreachable') {
      this.#reconnector.onUnreachable(outcome.reason);
      return this.#lost();
    }
    const { headers, body } = outcome;
    try {
      const hello = checkHello(this.#context.self, headers, this.#peer);
      if (!this.#up) this.#connected();
      this.#events.answered(hello, body);
    } catch (error) {
      if (!(error instanceof HandshakeError) && !isKontikiError(error, 'KONTIKI_PROTOCOL')) throw error;
      return this.#refused(error.message);
    }
    // The receiver may have closed the transport.
    if (!this.#up) return;
    if (headers[POLL_HEADER] !== undefined && !this.#posts.has('poll')) this.#post('poll', undefined);
    this.flush();
  }

  #connected(): void {
    clearTimeout(this.#deadline);
    this.#up = true;
    this.#reconnector.onConnected();
  }

  #refused(reason: string): void {
    this.#reconnector.onRefused(reason);
    this.#lost();
  }

  #lost(): void {
    this.#hangUp();
    this.#reconnector.onEnded();
    this.#events.lost();
  }

  #hangUp(): void {
    clearTimeout(this.#deadline);
    this.#up = false;
    for (const post of this.#posts.values()) post.abort();
    this.#posts.clear();
    this.#route?.hangUp();
  }
}
