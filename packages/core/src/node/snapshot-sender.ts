import type { ServerId } from '../log/server.js';
import type { Clock, Timer } from '../ports/clock.js';
import type { SnapshotInfo, SnapshotStore } from '../ports/snapshot-store.js';
import type { SnapshotBody } from '../protocol/raft.js';

/** Bytes of a chunk, so that a frame with it stays below 256 KiB. */
const CHUNK = 240 * 1024;
/** Bytes sent and not yet acknowledged. */
const WINDOW = 4 * 1024 * 1024;

export interface SenderOptions {
  readonly peer: ServerId;
  /** Of the stream of appends that came to an end for want of entries. */
  readonly session: number;
  readonly snapshot: SnapshotInfo;
  readonly store: SnapshotStore;
  readonly clock: Clock;
  /** Milliseconds without an answer after which the peer is asked where it stands. */
  readonly patience: number;
  readonly bytesPerSecond: number;
  /** False when nobody wants it any more. */
  readonly send: (body: SnapshotBody) => boolean;
  readonly progress: (sent: number) => void;
  readonly failed: (error: Error) => void;
}

/**
 * Sends a snapshot to one peer: offers it, learns how much of it is there already, and sends the rest within a window.
 * What is lost shows itself by silence: then it is offered again, and sent from where the peer stands.
 */
export class SnapshotSender {
  readonly snapshot: SnapshotInfo;
  readonly session: number;
  readonly #options: SenderOptions;
  readonly #timer: Timer;
  /** The peer has the bytes before `#acknowledged`; those before `#sent` are on their way. */
  #acknowledged = 0;
  #sent = 0;
  /** The next answer tells where the peer stands. */
  #asking = true;
  /** Counts streams: only the newest goes on. */
  #stream = 0;
  #closed = false;
  #room: () => void = () => {};
  /** Milliseconds: when the rate admits another chunk. */
  #nextAt = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.snapshot = options.snapshot;
    this.session = options.session;
    this.#timer = options.clock.timer(() => this.#ask());
  }

  begin(): void {
    this.#ask();
  }

  /** The peer waits for the bytes from `offset` on. */
  acknowledged(offset: number): void {
    if (offset > this.snapshot.bytes) return;
    if (this.#asking) {
      this.#asking = false;
      this.#acknowledged = this.#sent = offset;
      this.#wait();
      void this.#run(offset);
    } else if (offset > this.#acknowledged && offset <= this.#sent) {
      this.#acknowledged = offset;
      this.#wait();
      this.#room();
    }
    this.#options.progress(this.#acknowledged);
  }

  close(): void {
    this.#closed = true;
    this.#stream += 1;
    this.#timer.close();
    this.#room();
  }

  #ask(): void {
    const { send, snapshot } = this.#options;
    const { bytes, ...meta } = snapshot;
    this.#asking = true;
    this.#stream += 1;
    this.#room();
    if (send({ kind: 'snapshotOffer', meta, bytes })) this.#wait();
    else this.close();
  }

  #wait(): void {
    if (!this.#closed) this.#timer.set(this.#options.clock.now() + this.#options.patience);
  }

  async #run(from: number): Promise<void> {
    const { store, send, clock, bytesPerSecond } = this.#options;
    const stream = (this.#stream += 1);
    const over = (): boolean => stream !== this.#stream;
    try {
      for await (const bytes of store.read(this.snapshot.id, from)) {
        for (let at = 0; at < bytes.length; at += CHUNK) {
          await this.#turn(over);
          if (over()) return;
          const data = bytes.subarray(at, at + CHUNK);
          if (!send({ kind: 'snapshotChunk', id: this.snapshot.id, offset: this.#sent, data })) return this.close();
          this.#sent += data.length;
          this.#nextAt = Math.max(clock.now(), this.#nextAt) + (data.length / bytesPerSecond) * 1_000;
        }
      }
    } catch (error) {
      if (!over()) this.#options.failed(error as Error);
    }
  }

  /** Waits until window and rate admit another chunk. */
  async #turn(over: () => boolean): Promise<void> {
    const { clock } = this.#options;
    while (!over() && this.#sent - this.#acknowledged >= WINDOW)
      await new Promise<void>((resolve) => (this.#room = resolve));
    if (over() || this.#nextAt - clock.now() < 1) return;
    await new Promise<void>((resolve) => {
      const timer = clock.timer(() => {
        timer.close();
        resolve();
      });
      timer.set(this.#nextAt);
    });
  }
}
