import type { SnapshotMeta } from '../../log/snapshot-meta.js';
import type { ServerId } from '../../log/server.js';
import type { Clock } from '../../ports/clock.js';
import type { SnapshotInfo, SnapshotStore, SnapshotWriter } from '../../ports/snapshot-store.js';
import type { SnapshotChunk, SnapshotOffer } from '../../protocol/message.js';
import { ProgressMeter, type SnapshotProgress } from './progress.js';

/**
 * Number of bytes after which the receiver syncs the part of a snapshot that it has written. After
 * a restart, an interrupted transfer can resume where the synced part ends.
 */
const SYNC_BYTES = 8 * 1024 * 1024;
/**
 * Maximum number of bytes waiting to be written. A sender has at most this many bytes in flight.
 */
const MAX_QUEUED = 16 * 1024 * 1024;

export interface ReceiverOptions {
  readonly store: SnapshotStore;
  readonly clock: Clock;
  /** Acknowledges to the leader that this server has all bytes before `offset`. */
  readonly acknowledge: (from: ServerId, message: SnapshotOffer | SnapshotChunk, id: string, offset: number) => void;
  /** Called when the snapshot is complete and durable. */
  readonly onReceived: (info: SnapshotInfo, from: ServerId, message: SnapshotOffer | SnapshotChunk) => void;
  readonly onProgress: (progress: SnapshotProgress) => void;
  /** Called when a transfer has been abandoned. The leader will offer a snapshot again later. */
  readonly onTransferFailed: (error: Error) => void;
}

/** A snapshot that this server is receiving. */
interface Incoming {
  readonly meta: SnapshotMeta;
  readonly bytes: number;
  readonly meter: ProgressMeter;
  /** The writer of the snapshot; undefined while the store creates the writer. */
  writer: SnapshotWriter | undefined;
  /**
   * The offset after the last accepted byte. The bytes before `written` have already been passed to
   * the store.
   */
  next: number;
  written: number;
  /**
   * The offset up to which the latest sync covers the snapshot. The sync runs in parallel with
   * later writes.
   */
  synced: number;
  sync: Promise<void>;
}

/**
 * Receives one snapshot at a time and stores its chunks in order. Drops chunks that arrive out of
 * order or do not fit into the queue. The sender sends them again.
 */
export class SnapshotReceiver {
  readonly #options: ReceiverOptions;
  #incoming: Incoming | undefined;
  /**
   * The newest snapshot writer. Until the writer for the incoming snapshot has been created, this
   * is the writer of an earlier snapshot.
   */
  #writer: SnapshotWriter | undefined;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  /**
   * Called when a leader offers a snapshot, or asks how many bytes of the snapshot this server has.
   */
  onOffer(from: ServerId, message: SnapshotOffer): void {
    const { meta, bytes } = message;
    const present = this.#incoming;
    if (present?.meta.id === meta.id) {
      // While chunks are being written, their acknowledgements already answer the leader's
      // question.
      if (present.writer !== undefined && present.next === present.written)
        this.#options.acknowledge(from, message, meta.id, present.written);
      return;
    }
    const incoming: Incoming = {
      meta,
      bytes,
      meter: new ProgressMeter(this.#options.clock, meta.last.index, bytes),
      writer: undefined,
      next: 0,
      written: 0,
      synced: 0,
      sync: Promise.resolve(),
    };
    this.#incoming = incoming;
    this.#enqueue(incoming, async () => {
      // Abort the writer of an earlier offer.
      await this.#writer?.abort();
      const writer = await this.#options.store.create(meta);
      incoming.writer = this.#writer = writer;
      incoming.next = incoming.written = incoming.synced = writer.offset;
      this.#options.acknowledge(from, message, meta.id, writer.offset);
      if (writer.offset === bytes) await this.#finish(incoming, from, message);
    });
  }

  /** Called when a chunk of a snapshot arrives. */
  onChunk(from: ServerId, message: SnapshotChunk): void {
    const incoming = this.#incoming;
    if (incoming?.writer === undefined || incoming.meta.id !== message.id) return;
    const { data, offset } = message;
    const fits = offset === incoming.next && offset + data.length <= incoming.bytes;
    if (!fits || incoming.next - incoming.written + data.length > MAX_QUEUED) return;
    incoming.next += data.length;
    this.#enqueue(incoming, () => this.#write(incoming, from, message));
  }

  /**
   * Called when entries up to `index` are applied. Abandons the incoming snapshot if it covers no
   * later entries.
   */
  onAppliedTo(index: number): void {
    if (this.#incoming !== undefined && this.#incoming.meta.last.index <= index) this.abandon();
  }

  /** Abandons the incoming snapshot and removes the bytes that have been stored so far. */
  abandon(): void {
    this.#incoming = undefined;
    this.#work = this.#work
      .then(() => this.#writer?.abort())
      .catch(() => {
        // The store removes leftovers when it opens.
      });
  }

  /** Stops receiving, and resolves after the write in progress has finished. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#work;
  }

  async #write(incoming: Incoming, from: ServerId, message: SnapshotChunk): Promise<void> {
    const { acknowledge, onProgress } = this.#options;
    const { writer, meta, bytes, meter } = incoming;
    if (writer === undefined) return;
    meter.resumeAt(incoming.written);
    await writer.write(message.data);
    incoming.written += message.data.length;
    if (incoming.written - incoming.synced >= SYNC_BYTES) {
      await incoming.sync;
      incoming.synced = incoming.written;
      incoming.sync = writer.sync();
      incoming.sync.catch(() => {
        // The next call to the writer rejects with the same error.
      });
    }
    acknowledge(from, message, meta.id, incoming.written);
    onProgress(meter.at(incoming.written));
    if (incoming.written === bytes) await this.#finish(incoming, from, message);
  }

  async #finish(incoming: Incoming, from: ServerId, message: SnapshotOffer | SnapshotChunk): Promise<void> {
    await incoming.sync;
    const info = await (incoming.writer as SnapshotWriter).finish();
    if (this.#incoming === incoming) this.#incoming = undefined;
    if (!this.#closed) this.#options.onReceived(info, from, message);
  }

  /** Runs tasks one after another, as long as `incoming` is the current snapshot. */
  #enqueue(incoming: Incoming, task: () => Promise<void>): void {
    this.#work = this.#work
      .then(() => (this.#closed || this.#incoming !== incoming ? undefined : task()))
      .catch(async (error: Error) => {
        if (this.#incoming === incoming) this.#incoming = undefined;
        await incoming.writer?.abort().catch(() => {
          // Ignore this error, because the first error is more useful.
        });
        if (!this.#closed) this.#options.onTransferFailed(error);
      });
  }
}
