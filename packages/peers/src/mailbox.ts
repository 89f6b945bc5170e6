import type { Message, ServerId } from '@kontiki/core';
import { encodeFrame } from '@kontiki/core/wire';
import type { Context } from './context.js';
import { Outbox } from './outbox.js';

/** What waits to be sent to one peer, taken out as frames. Says what it drops. */
export class Mailbox {
  readonly #context: Context;
  readonly #peer: ServerId;
  readonly #outbox: Outbox;

  constructor(context: Context, peer: ServerId) {
    this.#context = context;
    this.#peer = peer;
    this.#outbox = new Outbox(context.limits.queueBytes);
  }

  get urgent(): boolean {
    return this.#outbox.urgent;
  }

  get bulk(): boolean {
    return this.#outbox.bulk;
  }

  get empty(): boolean {
    return this.#outbox.empty;
  }

  push(messages: readonly Message[]): void {
    for (const message of messages) {
      const pushed = this.#outbox.push(message);
      if (pushed === 'full') this.#log('debug', 'full', `dropping messages to ${this.#peer}: too many wait for it`);
      else if (pushed === 'tooLarge') {
        this.#log('error', 'large', `dropping a message to ${this.#peer}: it is larger than any frame may be`);
      }
    }
  }

  /**
   * The next frame: all that is urgent, then of bulk what fits. Undefined when nothing waits. It is made in `memory` if it
   * has room there, and may be overwritten by the next one that is.
   */
  take(memory?: Uint8Array): Uint8Array | undefined {
    return this.#frame(() => this.#outbox.take(), memory);
  }

  /** The next frame without bulk. */
  takeUrgent(): Uint8Array | undefined {
    return this.#frame(() => this.#outbox.takeUrgent());
  }

  /** Forgets everything: what comes after a lost part of a stream is of no use. */
  clear(): void {
    this.#outbox.clear();
  }

  #frame(take: () => readonly Message[], memory?: Uint8Array): Uint8Array | undefined {
    for (let batch = take(); batch.length > 0; batch = take()) {
      try {
        return encodeFrame(batch, 0, memory);
      } catch (error) {
        // A fault of this server's own, say a number that is none. Its node goes on; the messages are as good as lost.
        this.#log('error', 'encode', `dropping messages to ${this.#peer} that cannot be encoded`, { error });
      }
    }
    return undefined;
  }

  #log(level: 'debug' | 'error', topic: string, text: string, details?: Readonly<Record<string, unknown>>): void {
    this.#context.logger.log(level, `${topic} ${this.#peer}`, text, details);
  }
}
