import type { Message } from '@kontiki/core';
import { frameLength } from '@kontiki/core/wire';

/** Urgent messages kept at the most; the oldest give way, since each is soon said anew. */
const MAX_URGENT = 256;
/** Bulk kept at the most, above the protocol's own window; what comes then is dropped, and the protocol sends it again. */
const MAX_BULK_BYTES = 8 * 1024 * 1024;
const MAX_BULK = 1_024;
/** Bytes of a frame, a larger single message apart. */
const MAX_FRAME_BYTES = 256 * 1024;

/** What goes into the next frame. */
export interface Batch {
  readonly messages: readonly Message[];
  /** Whether it holds appends: then no other such frame leaves before this one has. */
  readonly bulk: boolean;
}

/**
 * What waits to leave for one peer. Appends keep their order among themselves; everything else goes before them, so
 * that heartbeats and votes never wait behind megabytes. It drops instead of growing: Raft tolerates any loss.
 */
export class OutgoingQueue {
  #urgent: Message[] = [];
  #bulk: { message: Message; bytes: number }[] = [];
  #bulkBytes = 0;

  get bytes(): number {
    return this.#bulkBytes;
  }

  /** Messages dropped so far. */
  dropped = 0;

  push(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.kind === 'append') this.#pushBulk(message);
      else this.#urgent.push(message);
    }
    const excess = this.#urgent.length - MAX_URGENT;
    if (excess <= 0) return;
    this.dropped += excess;
    this.#urgent.splice(0, excess);
  }

  /** The next frame's messages; undefined when nothing may leave. `bulk`: whether appends may. */
  take(bulk: boolean): Batch | undefined {
    const messages = this.#urgent;
    this.#urgent = [];
    const urgent = messages.length;
    let bytes = 0;
    let taken = 0;
    if (bulk) {
      for (const waiting of this.#bulk) {
        if (taken > 0 && bytes + waiting.bytes > MAX_FRAME_BYTES) break;
        messages.push(waiting.message);
        bytes += waiting.bytes;
        taken += 1;
      }
      this.#bulk.splice(0, taken);
      this.#bulkBytes -= bytes;
    }
    return urgent + taken === 0 ? undefined : { messages, bulk: taken > 0 };
  }

  /** Forgets appends: the connection they were meant for is gone, and the protocol will send what is then needed. */
  dropBulk(): void {
    this.dropped += this.#bulk.length;
    this.#bulk = [];
    this.#bulkBytes = 0;
  }

  #pushBulk(message: Message): void {
    const bytes = frameLength([message]);
    if (this.#bulk.length >= MAX_BULK || (this.#bulk.length > 0 && this.#bulkBytes + bytes > MAX_BULK_BYTES)) {
      this.dropped += 1;
      return;
    }
    this.#bulk.push({ message, bytes });
    this.#bulkBytes += bytes;
  }
}
