import type { SnapshotMeta } from '../log/snapshot-meta.js';
import type { ServerId } from '../log/server.js';
import type { Clock } from '../ports/clock.js';
import type { SnapshotInfo, SnapshotStore, SnapshotWriter } from '../ports/snapshot-store.js';
import type { SnapshotChunk, SnapshotOffer } from '../protocol/message.js';
import { Rate } from './rate.js';

/** Bytes after which what has arrived is made durable, so that a restart does not begin anew. */
const SYNC_BYTES = 8 * 1024 * 1024;
/** Bytes that may wait to be written: more than any sender sends unanswered. */
const MAX_QUEUED = 16 * 1024 * 1024;

export interface ReceiverOptions {
  readonly store: SnapshotStore;
  readonly clock: Clock;
  /** The bytes before `offset` are here. */
  readonly acknowledge: (from: ServerId, message: SnapshotOffer | SnapshotChunk, id: string, offset: number) => void;
  /** All of it is durable. */
  readonly onReceived: (info: SnapshotInfo, from: ServerId, message: SnapshotOffer | SnapshotChunk) => void;
  readonly onProgress: (meta: SnapshotMeta, received: number, total: number, rate: number) => void;
  /** It was abandoned; the leader will offer one again. */
  readonly onFailure: (error: Error) => void;
}

/** A snapshot that is arriving. */
interface Arriving {
  readonly meta: SnapshotMeta;
  readonly bytes: number;
  readonly rate: Rate;
  /** Undefined while it is made. */
  writer: SnapshotWriter | undefined;
  /** The bytes before it were taken; those before `written` are in the store. */
  next: number;
  written: number;
  /** A sync that was begun when the bytes before `synced` were written; it goes on beside the writes that follow. */
  synced: number;
  sync: Promise<void>;
}

/** Receives one snapshot at a time, in order, and writes it down. Whatever does not fit is dropped: the sender asks again. */
export class SnapshotReceiver {
  readonly #options: ReceiverOptions;
  #arriving: Arriving | undefined;
  /** The newest that was made. It is of an earlier snapshot until that of the one that arrives is made. */
  #writer: SnapshotWriter | undefined;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  /** A leader offers a snapshot, or asks how much of it is here. */
  onOffer(from: ServerId, message: SnapshotOffer): void {
    const { meta, bytes } = message;
    const arriving = this.#arriving;
    if (arriving?.meta.id === meta.id) {
      // What is under way is told when it is written, and where it begins when that is known.
      if (arriving.writer !== undefined && arriving.next === arriving.written)
        this.#options.acknowledge(from, message, meta.id, arriving.written);
      return;
    }
    const rate = new Rate(this.#options.clock);
    const next: Arriving = {
      meta,
      bytes,
      rate,
      writer: undefined,
      next: 0,
      written: 0,
      synced: 0,
      sync: Promise.resolve(),
    };
    this.#arriving = next;
    this.#do(next, async () => {
      // Whatever was offered in between, and was not begun.
      await this.#writer?.abort();
      const writer = await this.#options.store.create(meta);
      next.writer = this.#writer = writer;
      next.next = next.written = next.synced = writer.offset;
      this.#options.acknowledge(from, message, meta.id, writer.offset);
      if (writer.offset === bytes) await this.#finish(next, from, message);
    });
  }

  /** The bytes from an offset on. */
  onChunk(from: ServerId, message: SnapshotChunk): void {
    const arriving = this.#arriving;
    if (arriving?.writer === undefined || arriving.meta.id !== message.id) return;
    const { data, offset } = message;
    const fits = offset === arriving.next && offset + data.length <= arriving.bytes;
    if (!fits || arriving.next - arriving.written + data.length > MAX_QUEUED) return;
    arriving.next += data.length;
    this.#do(arriving, () => this.#write(arriving, from, message));
  }

  /** The log holds everything up to `index` by now: a snapshot of no more is not waited for. */
  onAppliedTo(index: number): void {
    if (this.#arriving === undefined || this.#arriving.meta.last.index > index) return;
    this.#arriving = undefined;
    this.#work = this.#work
      .then(() => this.#writer?.abort())
      .catch(() => {
        // What is left of it is the store's to take away.
      });
  }

  /** Waits for what is being written. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#work;
  }

  async #write(arriving: Arriving, from: ServerId, message: SnapshotChunk): Promise<void> {
    const { acknowledge, onProgress } = this.#options;
    const { writer, meta, bytes, rate } = arriving;
    if (writer === undefined) return;
    rate.at(arriving.written);
    await writer.write(message.data);
    arriving.written += message.data.length;
    if (arriving.written - arriving.synced >= SYNC_BYTES) {
      await arriving.sync;
      arriving.synced = arriving.written;
      arriving.sync = writer.sync();
      arriving.sync.catch(() => {
        // The next call of the writer fails with it.
      });
    }
    acknowledge(from, message, meta.id, arriving.written);
    onProgress(meta, arriving.written, bytes, rate.at(arriving.written));
    if (arriving.written === bytes) await this.#finish(arriving, from, message);
  }

  async #finish(arriving: Arriving, from: ServerId, message: SnapshotOffer | SnapshotChunk): Promise<void> {
    await arriving.sync;
    const info = await (arriving.writer as SnapshotWriter).finish();
    if (this.#arriving === arriving) this.#arriving = undefined;
    if (!this.#closed) this.#options.onReceived(info, from, message);
  }

  /** One thing after the other, as long as this snapshot is the one that arrives. */
  #do(arriving: Arriving, work: () => Promise<void>): void {
    this.#work = this.#work
      .then(() => (this.#closed || this.#arriving !== arriving ? undefined : work()))
      .catch(async (error: Error) => {
        if (this.#arriving === arriving) this.#arriving = undefined;
        await arriving.writer?.abort().catch(() => {
          // Why it was abandoned says more.
        });
        if (!this.#closed) this.#options.onFailure(error);
      });
  }
}
