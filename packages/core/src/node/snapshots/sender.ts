import type { Clock, Timer } from '../../ports/clock.js';
import type { SnapshotInfo, SnapshotStore } from '../../ports/snapshot-store.js';
import type { SnapshotBody } from '../../protocol/raft.js';
import { MAX_SNAPSHOT_CHUNK } from '../../wire/snapshot-checker.js';
import type { SnapshotWindow } from './window.js';

/**
 * Bytes per chunk. A store reads as much at a time, and a frame with a chunk stays below 256 KiB.
 */
const CHUNK = MAX_SNAPSHOT_CHUNK;
/** How often the answer timeout may double. */
const MAX_DOUBLINGS = 6;

export interface SenderOptions {
  /**
   * The stream of appends that ended because the log no longer holds the entries that the peer
   * needs.
   */
  readonly stream: number;
  readonly snapshot: SnapshotInfo;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  /**
   * Milliseconds without an answer after which the snapshot is offered again. Grows if answers take
   * longer.
   */
  readonly answerTimeoutMs: number;
  readonly window: SnapshotWindow;
  /** Returns the limit of the rate at this moment. */
  readonly bytesPerSecond: () => number;
  /** Returns false if the peer no longer wants the snapshot in this stream. */
  readonly send: (body: SnapshotBody) => boolean;
  /** Called when the peer has acknowledged `bytes`. */
  readonly onProgress: (bytes: number) => void;
  /** Called when the peer asks for the whole snapshot again. */
  readonly onStartedOver: () => void;
  readonly onTransferFailed: (error: Error) => void;
}

/**
 * Sends a snapshot to one peer. It offers the snapshot, learns how many bytes the peer holds
 * already, and sends the rest within a window. A loss shows as silence: after a timeout the
 * snapshot is offered again, and the transfer resumes where the peer's answer says.
 */
export class SnapshotSender {
  readonly snapshot: SnapshotInfo;
  readonly stream: number;
  readonly #options: SenderOptions;
  readonly #timer: Timer;
  /**
   * The peer holds the bytes before `#acknowledged`. The bytes from there to `#sent` are in flight.
   */
  #acknowledged = 0;
  #sent = 0;
  /** The snapshot was offered, and the next answer says where to continue. */
  #offering = true;
  /** Counts the passes over the snapshot's bytes. Only the newest pass continues. */
  #pass = 0;
  #closed = false;
  /** The time, in milliseconds, at which the rate limit allows another chunk. */
  #nextAt = 0;
  /** Maximum bytes in flight: one chunk at first and after silence, more with every answer. */
  #allowed = CHUNK;
  /**
   * Adapts to the time that answers take. Offering too early on a slow link would send again what
   * is still in flight.
   */
  #answerTimeoutMs: number;
  #endRest: () => void = () => {};
  /** The end of the bytes that were sent at least once. */
  #highest = 0;
  /**
   * A chunk whose answer is timed. Only bytes sent for the first time are timed, because an answer
   * to resent bytes is ambiguous.
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

  /** Called when the peer answers that it holds the bytes before `offset`. */
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
   * Ends the current pass and forgets the bytes in flight. The peer's next answer says how far it
   * got.
   */
  #forgetInFlight(): void {
    this.#pass += 1;
    this.#options.window.give(this.#sent - this.#acknowledged);
    this.#acknowledged = this.#sent;
    this.#timed = undefined;
    this.#endRest();
  }

  /** Sets the answer timeout to twice the time that the timed answer took. */
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

  /** Resolves at this time, or when the pass has ended. */
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
