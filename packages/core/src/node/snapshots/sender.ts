import type { Clock, Timer } from '../../ports/clock.js';
import type { SnapshotInfo, SnapshotStore } from '../../ports/snapshot-store.js';
import type { SnapshotBody } from '../../protocol/raft.js';
import { MAX_SNAPSHOT_CHUNK } from '../../wire/snapshot-checker.js';
import type { SnapshotWindow } from './window.js';

/**
 * Number of bytes per chunk. This is the size of the chunks in which stores read snapshots. A frame
 * with one chunk stays below 256 KiB.
 */
const CHUNK = MAX_SNAPSHOT_CHUNK;
/** Maximum number of times that the answer timeout is doubled. */
const MAX_DOUBLINGS = 6;

export interface SenderOptions {
  /** The stream of appends to the peer that receives the snapshot. */
  readonly stream: number;
  readonly snapshot: SnapshotInfo;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  /**
   * Initial answer timeout in milliseconds. If the peer does not answer within this time, the
   * sender offers the snapshot again. The timeout grows if answers take longer than that.
   */
  readonly answerTimeoutMs: number;
  readonly window: SnapshotWindow;
  /** Returns the current rate limit in bytes per second. */
  readonly bytesPerSecond: () => number;
  /**
   * Sends a message to the peer. Returns false if the stream has ended, so that the peer no longer
   * needs the snapshot.
   */
  readonly send: (body: SnapshotBody) => boolean;
  /** Called when the peer has acknowledged `bytes` of the snapshot. */
  readonly onProgress: (bytes: number) => void;
  /** Called when the peer requests the whole snapshot again. */
  readonly onStartedOver: () => void;
  readonly onTransferFailed: (error: Error) => void;
}

/**
 * Sends a snapshot to one peer. The sender offers the snapshot, learns from the answer how many
 * bytes the peer already has, and sends the remaining bytes within a window. If a message is lost,
 * the peer stops answering. After a timeout, the sender offers the snapshot again, and resumes at
 * the offset in the peer's answer.
 */
export class SnapshotSender {
  readonly snapshot: SnapshotInfo;
  readonly stream: number;
  readonly #options: SenderOptions;
  readonly #timer: Timer;
  /**
   * The offset up to which the peer has the snapshot. The bytes between this offset and `#sent` are
   * in flight.
   */
  #acknowledged = 0;
  #sent = 0;
  /** Whether an offer is still unanswered. The answer contains the offset at which to continue. */
  #offering = true;
  /**
   * The number of the current pass over the bytes of the snapshot. A new pass ends all earlier
   * passes.
   */
  #pass = 0;
  #closed = false;
  /** The time, in milliseconds, from which the rate limit allows another chunk. */
  #nextAt = 0;
  /**
   * Maximum bytes in flight. Starts at one chunk, grows with every answer, and returns to one chunk
   * after a timeout.
   */
  #allowed = CHUNK;
  /**
   * The answer timeout, which adapts to the time that answers take. With a fixed timeout, the
   * sender would repeat its offer too early on a slow connection, and resend bytes that are still
   * in flight.
   */
  #answerTimeoutMs: number;
  #endRest: () => void = () => {};
  /** The offset up to which all bytes have been sent at least once. */
  #highest = 0;
  /**
   * The chunk whose answer is being timed. Only chunks that are sent for the first time are timed,
   * because the answer to a resent chunk is ambiguous.
   */
  #timed: { readonly end: number; readonly at: number } | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.snapshot = options.snapshot;
    this.stream = options.stream;
    this.#answerTimeoutMs = options.answerTimeoutMs;
    this.#timer = options.clock.timer(() => {
      this.#allowed = CHUNK;
      this.#answerTimeoutMs = Math.min(2 * this.#answerTimeoutMs, 2 ** MAX_DOUBLINGS * options.answerTimeoutMs);
      this.#offer();
    });
  }

  start(): void {
    this.#options.window.join();
    this.#offer();
  }

  /** Called when the peer acknowledges all bytes of the snapshot before `offset`. */
  onAcknowledged(offset: number): void {
    if (offset > this.snapshot.bytes) return;
    if (this.#offering) {
      const startsOver = offset === 0 && this.#sent > 0;
      this.#offering = false;
      this.#acknowledged = this.#sent = offset;
      this.#awaitAnswer();
      if (startsOver) this.#options.onStartedOver();
      void this.#sendFrom(offset);
    } else if (offset > this.#acknowledged && offset <= this.#sent) {
      const arrived = offset - this.#acknowledged;
      this.#acknowledged = offset;
      this.#allowed += arrived;
      this.#adaptTimeout();
      this.#awaitAnswer();
      this.#options.window.give(arrived);
    }
    this.#options.onProgress(this.#acknowledged);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.close();
    this.#forgetInFlight();
    this.#options.window.leave();
  }

  #offer(): void {
    const { send, snapshot } = this.#options;
    const { bytes, ...meta } = snapshot;
    this.#offering = true;
    this.#forgetInFlight();
    if (send({ kind: 'snapshotOffer', meta, bytes })) this.#awaitAnswer();
    else this.close();
  }

  /**
   * Ends the current pass and forgets the bytes in flight. The peer's next answer reports the
   * offset that it has reached.
   */
  #forgetInFlight(): void {
    this.#pass += 1;
    this.#options.window.give(this.#sent - this.#acknowledged);
    this.#acknowledged = this.#sent;
    this.#timed = undefined;
    this.#endRest();
  }

  /**
   * Sets the answer timeout to twice the time that the peer took to acknowledge the timed chunk.
   */
  #adaptTimeout(): void {
    if (this.#timed === undefined || this.#acknowledged < this.#timed.end) return;
    const { clock, answerTimeoutMs } = this.#options;
    this.#answerTimeoutMs = Math.max(answerTimeoutMs, 2 * (clock.now() - this.#timed.at));
    this.#timed = undefined;
  }

  #awaitAnswer(): void {
    if (!this.#closed) this.#timer.set(Math.max(this.#options.clock.now(), this.#nextAt) + this.#answerTimeoutMs);
  }

  async #sendFrom(start: number): Promise<void> {
    const { store, send, clock, window, bytesPerSecond } = this.#options;
    const pass = (this.#pass += 1);
    const ended = (): boolean => pass !== this.#pass;
    try {
      for await (const bytes of store.read(this.snapshot.id, start)) {
        for (let at = 0; at < bytes.length; at += CHUNK) {
          const data = bytes.subarray(at, at + CHUNK);
          if (this.#nextAt - clock.now() >= 1) await this.#restUntil(this.#nextAt);
          while (!ended() && !this.#reserve(data.length)) await window.changed();
          if (ended()) return;
          const offset = this.#sent;
          this.#sent += data.length;
          if (this.#sent > this.#highest) {
            this.#highest = this.#sent;
            this.#timed ??= { end: this.#sent, at: clock.now() };
          }
          if (!send({ kind: 'snapshotChunk', id: this.snapshot.id, offset, data })) return this.close();
          this.#nextAt = Math.max(clock.now(), this.#nextAt) + (data.length / bytesPerSecond()) * 1_000;
        }
      }
    } catch (error) {
      if (!ended()) this.#options.onTransferFailed(error as Error);
    }
  }

  #reserve(bytes: number): boolean {
    const own = this.#sent - this.#acknowledged;
    return (own === 0 || own + bytes <= this.#allowed) && this.#options.window.take(bytes, own);
  }

  /** Resolves at `time`, or when the current pass ends. */
  #restUntil(time: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.timer(() => this.#endRest());
      this.#endRest = (): void => {
        timer.close();
        resolve();
      };
      timer.set(time);
    });
  }
}
