import type { SnapshotInfo, SnapshotMeta, SnapshotWriter } from '../ports/snapshot-store.js';
import type { SnapshotChecker } from '../wire/snapshot-checker.js';
import { WriterCalls } from './writer-calls.js';

/**
 * Stores the bytes of one unfinished snapshot, which have already been checked. Only `sync` may
 * overlap with calls to `write`.
 */
export interface SnapshotSink<Location> {
  /** The current location of the snapshot's bytes. */
  readonly location: Location;
  /**
   * Stores the next bytes, which must not change later. Resolves when the sink accepts more bytes.
   * The bytes need not be durable yet.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when all bytes written before this call are durable. */
  sync(): Promise<void>;
  /**
   * Makes the snapshot durable and visible to later calls to `_open`. Resolves with the snapshot's
   * location. `replaced` is the finished snapshot with the same id, which no later `_open` may
   * find.
   */
  finish(info: SnapshotInfo, replaced: Location | undefined): Promise<Location>;
  /**
   * Releases all resources that the sink opened, and keeps the written bytes. Called when no other
   * call is in progress.
   */
  close(): Promise<void>;
}

export interface StoreWriterOptions<Location> {
  readonly meta: SnapshotMeta;
  /** The checker of the snapshot. It has already checked the bytes in the sink. */
  readonly checker: SnapshotChecker;
  readonly sink: SnapshotSink<Location>;
  readonly failure: (error: unknown) => Error;
  /** Makes the snapshot durable and visible while no other change to the store is in progress. */
  readonly finish: (info: SnapshotInfo) => Promise<void>;
  /** Called after the snapshot has been aborted or has failed, and the sink has been closed. */
  readonly onDiscarded: () => Promise<void>;
}

/**
 * The writer that `AbstractSnapshots.create` returns. It checks every byte of a snapshot before
 * passing it on to the sink.
 */
export class StoreWriter<Location> implements SnapshotWriter {
  readonly #options: StoreWriterOptions<Location>;
  readonly #calls: WriterCalls;

  constructor(options: StoreWriterOptions<Location>) {
    this.#options = options;
    const { meta, sink, failure, onDiscarded } = options;
    this.#calls = new WriterCalls({
      id: meta.id,
      failure,
      discard: async () => {
        await sink.close().catch(() => {});
        await onDiscarded();
      },
    });
  }

  get offset(): number {
    return this.#options.checker.offset;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#calls.run(async () => {
      this.#options.checker.write(bytes);
      await this.#options.sink.write(bytes);
    });
  }

  sync(): Promise<void> {
    return this.#calls.run(() => this.#options.sink.sync());
  }

  finish(): Promise<SnapshotInfo> {
    return this.#calls.run(async () => {
      const { meta, checker, finish } = this.#options;
      const info = { ...meta, bytes: checker.end().bytes };
      await finish(info);
      this.#calls.markFinished();
      return info;
    });
  }

  abort(): Promise<void> {
    return this.#calls.abort();
  }

  /**
   * Makes later calls to this writer reject with `closed`, and keeps the written bytes. Resolves
   * when no call is in progress.
   */
  async detach(closed: Error): Promise<void> {
    await this.#calls.detach(closed);
    await this.#options.sink.close();
  }
}
