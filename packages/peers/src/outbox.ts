import type { Message } from '@kontiki/core';
import { frameLength, MAX_FRAME, messageLength } from '@kontiki/core/wire';

/** Frames are at most this long, a single larger message apart, so that nothing urgent waits long behind one: 256 KiB. */
export const BATCH_BYTES: number = 256 * 1024;

/** Messages without entries are of some 60 bytes each; more than this many wait for nobody. */
const MAX_URGENT = 1024;

const EMPTY_FRAME = frameLength([]);

/** What became of a message: `tooLarge` ones could never be sent. */
export type Pushed = 'queued' | 'full' | 'tooLarge';

interface Bulk {
  readonly message: Message;
  readonly bytes: number;
}

/**
 * What waits to be sent to one peer. Appends and parts of snapshots are bulk and keep their order, the empty ones too: one that overtook those
 * before it would be rejected. All others are urgent and overtake them, or a heartbeat would wait behind megabytes.
 * Drops where it would grow:
 * - of bulk the newest, since appends build on each other and those before it are still worth sending;
 * - of the urgent the oldest, since newer votes, heartbeats and answers say all that they said.
 */
export class Outbox {
  readonly #maxBytes: number;
  #urgent: Message[] = [];
  #bulk: Bulk[] = [];
  #bulkBytes = 0;

  /** `maxBytes` of bulk; one message is always let in. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether something waits that isn't bulk. */
  get urgent(): boolean {
    return this.#urgent.length > 0;
  }

  get bulk(): boolean {
    return this.#bulk.length > 0;
  }

  get empty(): boolean {
    return !this.urgent && !this.bulk;
  }

  push(message: Message): Pushed {
    if (message.kind !== 'append' && message.kind !== 'snapshotChunk') {
      this.#urgent.push(message);
      if (this.#urgent.length <= MAX_URGENT) return 'queued';
      this.#urgent.shift();
      return 'full';
    }
    const bytes = messageLength(message);
    if (EMPTY_FRAME + bytes > MAX_FRAME) return 'tooLarge';
    if (this.#bulk.length > 0 && this.#bulkBytes + bytes > this.#maxBytes) return 'full';
    this.#bulk.push({ message, bytes });
    this.#bulkBytes += bytes;
    return 'queued';
  }

  /** Takes the messages of the next frame: all urgent ones, then of bulk what fits, at least one. */
  take(): readonly Message[] {
    const batch = this.#takeUrgent();
    let room = BATCH_BYTES - frameLength(batch);
    let taken = 0;
    for (const { message, bytes } of this.#bulk) {
      if (bytes > room && (taken > 0 || batch.length > 0)) break;
      room -= bytes;
      this.#bulkBytes -= bytes;
      taken += 1;
      batch.push(message);
    }
    this.#bulk.splice(0, taken);
    return batch;
  }

  /** Takes the urgent messages only. */
  takeUrgent(): readonly Message[] {
    return this.#takeUrgent();
  }

  #takeUrgent(): Message[] {
    const batch = this.#urgent;
    this.#urgent = [];
    return batch;
  }

  /** Forgets everything: what comes after a lost part of a stream is of no use. */
  clear(): void {
    this.#urgent = [];
    this.#bulk = [];
    this.#bulkBytes = 0;
  }
}
