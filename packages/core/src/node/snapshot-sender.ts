import type { Clock, Timer } from '../ports/clock.js';
import type { SnapshotInfo, SnapshotStore } from '../ports/snapshot-store.js';
import type { SnapshotBody } from '../protocol/raft.js';
import { MAX_SNAPSHOT_CHUNK } from '../wire/snapshot-checker.js';
import type { SnapshotWindow } from './snapshot-window.js';

/** Bytes that are sent at a time: a store gives as many, and a frame with them stays below 256 KiB. */
const CHUNK = MAX_SNAPSHOT_CHUNK;
/** How often patience doubles, at the most. */
const MAX_DOUBLINGS = 6;

export interface SenderOptions {
  /** Of the stream of appends that came to an end for want of entries. */
  readonly stream: number;
  readonly snapshot: SnapshotInfo;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  /** Milliseconds without an answer after which the peer is asked where it stands, and more where answers take longer. */
  readonly answerTimeoutMs: number;
  readonly window: SnapshotWindow;
  /** At the most, now. */
  readonly bytesPerSecond: () => number;
  /** False when nobody wants it any more. */
  readonly send: (body: SnapshotBody) => boolean;
  readonly onProgress: (sent: number) => void;
  /** The peer has nothing any more of what it was sent. */
  readonly onStartedOver: () => void;
  readonly onFailure: (error: Error) => void;
}

/**
 * Sends a snapshot to one peer: offers it, learns how much of it is there already, and sends the rest within a window.
 * What is lost shows itself by silence: then it is offered again, and sent from where the peer stands.
 */
export class SnapshotSender {
  readonly snapshot: SnapshotInfo;
  readonly stream: number;
  readonly #options: SenderOptions;
  readonly #timer: Timer;
  /** The peer has the bytes before `#acknowledged`; those before `#sent` are on their way. */
  #acknowledged = 0;
  #sent = 0;
  /** The next answer tells where the peer stands. */
  #asking = true;
  /** Counts streams: only the newest goes on. */
  #pass = 0;
  #closed = false;
  /** Milliseconds: when the rate admits another chunk. */
  #nextAt = 0;
  /** Bytes that may be on their way: one chunk at first and after silence, and more with every answer. */
  #allowed = CHUNK;
  /** Milliseconds. Whoever asks a slow link too early fills it with what it is carrying already. */
  #answerTimeoutMs: number;
  #endRest: () => void = () => {};
  /** Where what was sent once ends, and the part of it whose answer is timed: what was sent twice tells no time. */
  #highest = 0;
  #timed: { readonly end: number; readonly at: number } | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.snapshot = options.snapshot;
    this.stream = options.stream;
    this.#answerTimeoutMs = options.answerTimeoutMs;
    this.#timer = options.clock.timer(() => {
      this.#allowed = CHUNK;
      this.#answerTimeoutMs = Math.min(2 * this.#answerTimeoutMs, 2 ** MAX_DOUBLINGS * options.answerTimeoutMs);
      this.#ask();
    });
  }

  begin(): void {
    this.#options.window.join();
    this.#ask();
  }

  /** The peer waits for the bytes from `offset` on. */
  onAcknowledged(offset: number): void {
    if (offset > this.snapshot.bytes) return;
    if (this.#asking) {
      const startsOver = offset === 0 && this.#sent > 0;
      this.#asking = false;
      this.#acknowledged = this.#sent = offset;
      this.#wait();
      if (startsOver) this.#options.onStartedOver();
      void this.#run(offset);
    } else if (offset > this.#acknowledged && offset <= this.#sent) {
      const arrived = offset - this.#acknowledged;
      this.#acknowledged = offset;
      this.#allowed += arrived;
      this.#learn();
      this.#wait();
      this.#options.window.give(arrived);
    }
    this.#options.onProgress(this.#acknowledged);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.close();
    this.#giveUp();
    this.#options.window.leave();
  }

  #ask(): void {
    const { send, snapshot } = this.#options;
    const { bytes, ...meta } = snapshot;
    this.#asking = true;
    this.#giveUp();
    if (send({ kind: 'snapshotOffer', meta, bytes })) this.#wait();
    else this.close();
  }

  /** What is on its way counts no more: the peer will tell what has come. */
  #giveUp(): void {
    this.#pass += 1;
    this.#options.window.give(this.#sent - this.#acknowledged);
    this.#acknowledged = this.#sent;
    this.#timed = undefined;
    this.#endRest();
  }

  /** Twice what an answer has taken. */
  #learn(): void {
    if (this.#timed === undefined || this.#acknowledged < this.#timed.end) return;
    const { clock, answerTimeoutMs } = this.#options;
    this.#answerTimeoutMs = Math.max(answerTimeoutMs, 2 * (clock.now() - this.#timed.at));
    this.#timed = undefined;
  }

  #wait(): void {
    if (!this.#closed) this.#timer.set(Math.max(this.#options.clock.now(), this.#nextAt) + this.#answerTimeoutMs);
  }

  async #run(from: number): Promise<void> {
    const { store, send, clock, window, bytesPerSecond } = this.#options;
    const pass = (this.#pass += 1);
    const over = (): boolean => pass !== this.#pass;
    try {
      for await (const bytes of store.read(this.snapshot.id, from)) {
        for (let at = 0; at < bytes.length; at += CHUNK) {
          const data = bytes.subarray(at, at + CHUNK);
          if (this.#nextAt - clock.now() >= 1) await this.#until(this.#nextAt);
          while (!over() && !this.#take(data.length)) await window.changed();
          if (over()) return;
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
      if (!over()) this.#options.onFailure(error as Error);
    }
  }

  #take(bytes: number): boolean {
    const own = this.#sent - this.#acknowledged;
    return (own === 0 || own + bytes <= this.#allowed) && this.#options.window.take(bytes, own);
  }

  /** Resolves at that time, or when this stream is over. */
  #until(time: number): Promise<void> {
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
