import type { SnapshotInfo, SnapshotMeta, SnapshotWriter } from '../ports/snapshot-store.js';
import type { SnapshotChecker } from '../wire/snapshot-checker.js';
import { WriterCalls } from './writer-calls.js';

/**
 * Stores the bytes of one unfinished snapshot, which were checked already. Only `sync` may overlap
 * with calls of `write`.
 */
export interface SnapshotSink<Location> {
  /** The current place of the bytes. */
  readonly location: Location;
  /**
   * Stores the next bytes, which must not change any more. Resolves when the sink accepts more; not
   * durable yet.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything that was written before this call is durable. */
  sync(): Promise<void>;
  /**
   * Makes the snapshot durable and visible to the next start. Resolves with its location.
   * `replaced` is the finished snapshot with the same id: no start may find it any more.
   */
  finish(info: SnapshotInfo, replaced: Location | undefined): Promise<Location>;
  /**
   * Releases everything that the sink has opened, and keeps the written bytes. Called when no other
   * call is in progress.
   */
  close(): Promise<void>;
}

export interface StoreWriterOptions<Location> {
  readonly meta: SnapshotMeta;
  /** A checker that has already checked the bytes in the sink. */
  readonly checker: SnapshotChecker;
  readonly sink: SnapshotSink<Location>;
  readonly failure: (error: unknown) => Error;
  /** Makes the snapshot durable and visible, when no other change of the store is in progress. */
  readonly finish: (info: SnapshotInfo) => Promise<void>;
  /** Called when the snapshot was aborted or has failed, and the sink is closed. */
  readonly onDiscarded: () => Promise<void>;
}

/**
 * The writer that `AbstractSnapshots.create` returns: checks every byte and hands it to the sink.
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
   * Refuses further calls with `closed`, and keeps the written bytes. Resolves when no call is in
   * progress any more.
   */
  async detach(closed: Error): Promise<void> {
    await this.#calls.detach(closed);
    await this.#options.sink.close();
  }
}
