import type { Message, ServerId } from '@kontiki/core';
import { encodeFrame, frameLength, type FrameOptions, MAX_FRAME } from '@kontiki/core/wire';
import type { ThrottledLogger } from './throttled-logger.js';

/**
 * Maximum length of a frame with several messages, 256 KiB. This limit keeps urgent messages from
 * waiting too long while a frame is being sent. A message that exceeds the limit is sent in a frame
 * of its own.
 */
export const BATCH_BYTES: number = 256 * 1024;

/** Maximum number of queued urgent messages. Urgent messages are about 60 bytes long. */
const MAX_URGENT = 1024;

const BULK: ReadonlySet<Message['kind']> = new Set(['append', 'snapshotChunk', 'propose']);
const EMPTY_FRAME = frameLength([]);

interface Bulk {
  readonly message: Message;
  readonly bytes: number;
}

/**
 * The queue of messages to be sent to one peer.
 *
 * The queue has two parts. Bulk messages are appends (including empty ones), snapshot chunks and
 * forwarded proposals. They are sent in order, because the peer would reject an append that arrives
 * before an earlier one. All other messages are urgent and are sent first. Otherwise, heartbeats
 * would wait for megabytes of entries to be sent, and the peer would consider a live leader dead.
 *
 * Both parts are bounded. When the bulk part is full, it drops the newest message, because earlier
 * appends are useful without later ones. When the urgent part is full, it drops the oldest message,
 * because a newer vote, heartbeat or reply makes it obsolete. Raft resends dropped messages. The
 * queue logs every drop.
 */
export class SendQueue {
  readonly #peer: ServerId;
  readonly #maxBytes: number;
  readonly #logger: ThrottledLogger;
  #urgent: Message[] = [];
  #bulk: Bulk[] = [];
  #bulkBytes = 0;

  /** `maxBytes` limits the bulk messages. An empty queue accepts a bulk message of any size. */
  constructor(peer: ServerId, maxBytes: number, logger: ThrottledLogger) {
    this.#peer = peer;
    this.#maxBytes = maxBytes;
    this.#logger = logger;
  }

  get hasUrgent(): boolean {
    return this.#urgent.length > 0;
  }

  get hasBulk(): boolean {
    return this.#bulk.length > 0;
  }

  get isEmpty(): boolean {
    return !this.hasUrgent && !this.hasBulk;
  }

  /** Queues messages. Drops and logs the messages that do not fit. */
  push(messages: readonly Message[]): void {
    for (const message of messages) {
      if (BULK.has(message.kind)) this.#pushBulk(message);
      else this.#pushUrgent(message);
    }
  }

  /**
   * Returns the next frame, with all urgent messages and then as many bulk messages as fit. Returns
   * undefined if the queue is empty. `version` is the version of frames that the handshake
   * negotiated. The frame is encoded into `memory` if it fits, and is overwritten by the next call
   * with the same `memory`.
   */
  takeFrame(version: number, memory?: Uint8Array): Uint8Array | undefined {
    return this.#encode(() => this.#take(), { version, memory });
  }

  /** Returns the next frame with urgent messages only, or undefined if there are none. */
  takeUrgentFrame(version: number): Uint8Array | undefined {
    return this.#encode(() => this.#takeUrgent(), { version });
  }

  /**
   * Removes all messages. Called when a connection is lost. The peer would reject the queued
   * appends, because earlier ones were lost with the connection.
   */
  clear(): void {
    this.#urgent = [];
    this.#bulk = [];
    this.#bulkBytes = 0;
  }

  #pushUrgent(message: Message): void {
    this.#urgent.push(message);
    if (this.#urgent.length <= MAX_URGENT) return;
    this.#urgent.shift();
    this.#logFull();
  }

  #pushBulk(message: Message): void {
    const bytes = frameLength([message]) - EMPTY_FRAME;
    if (EMPTY_FRAME + bytes > MAX_FRAME) {
      const text = `dropped a message to ${this.#peer}: it exceeds the maximum frame size (${MAX_FRAME} bytes)`;
      return this.#log('error', 'large', text);
    }
    if (this.#bulk.length > 0 && this.#bulkBytes + bytes > this.#maxBytes) return this.#logFull();
    this.#bulk.push({ message, bytes });
    this.#bulkBytes += bytes;
  }

  /**
   * Removes the messages of the next frame from the queue and returns them. The first message is
   * taken even if it is too large.
   */
  #take(): readonly Message[] {
    const batch = this.#takeUrgent();
    let room = BATCH_BYTES - frameLength(batch);
    let taken = 0;
    for (const { message, bytes } of this.#bulk) {
      if (bytes > room && batch.length > 0) break;
      room -= bytes;
      this.#bulkBytes -= bytes;
      taken += 1;
      batch.push(message);
    }
    this.#bulk.splice(0, taken);
    return batch;
  }

  #takeUrgent(): Message[] {
    const batch = this.#urgent;
    this.#urgent = [];
    return batch;
  }

  #encode(take: () => readonly Message[], options: FrameOptions): Uint8Array | undefined {
    for (let batch = take(); batch.length > 0; batch = take()) {
      try {
        return encodeFrame(batch, options);
      } catch (error) {
        // A bug in this process causes this error, such as a number in a message that is not an
        // integer. The node continues as if the network had lost these messages.
        this.#log('error', 'encode', `dropped messages to ${this.#peer}: they cannot be encoded`, { error });
      }
    }
    return undefined;
  }

  #logFull(): void {
    this.#log('debug', 'full', `dropped a message to ${this.#peer}: the queue for this peer is full`);
  }

  #log(level: 'debug' | 'error', reason: string, text: string, details?: Readonly<Record<string, unknown>>): void {
    this.#logger.log(level, this.#logger.topic(reason, this.#peer), text, details);
  }
}
