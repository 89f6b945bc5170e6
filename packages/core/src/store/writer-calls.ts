import { KontikiError } from '../errors.js';

export interface WriterCallsOptions {
  /** The id of the snapshot. */
  readonly id: string;
  /** Returns the error for a failed call and all later calls. */
  readonly failure: (error: unknown) => Error;
  /** Removes the written bytes. Called at most once, when no other call is in progress. */
  readonly discard: () => Promise<void>;
}

/**
 * Manages the calls of one `SnapshotWriter`. The first failed call ends the writer. The call
 * rejects only after the written bytes have been removed, so that its caller can immediately create
 * the same snapshot again.
 */
export class WriterCalls {
  readonly #options: WriterCallsOptions;
  /** The error for every later call; undefined while calls are accepted. */
  #ended: unknown;
  #isFinished = false;
  /** A promise that resolves when all calls made so far have ended. */
  #calls: Promise<void> = Promise.resolve();
  #discarded: Promise<void> | undefined;

  constructor(options: WriterCallsOptions) {
    this.#options = options;
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#ended !== undefined) return this.#refuse();
    const running = call();
    // Drop the results. Otherwise, each promise would keep the results of all earlier calls in
    // memory.
    this.#calls = Promise.allSettled([this.#calls, running]).then(() => {});
    try {
      return await running;
    } catch (error) {
      const failure = this.#options.failure(error);
      this.#ended ??= failure;
      await this.#discard();
      throw failure;
    }
  }

  /**
   * Records that the snapshot is durable and visible, so that later calls reject. `finish` calls
   * this method.
   */
  markFinished(): void {
    this.#isFinished = true;
    this.#ended = new KontikiError('KONTIKI_CLOSED', `Snapshot ${this.#options.id} is finished already.`);
  }

  async abort(): Promise<void> {
    if (this.#ended !== undefined) return this.#discarded;
    this.#ended = new KontikiError('KONTIKI_ABORTED', `The writer of snapshot ${this.#options.id} was aborted.`);
    await this.#discard();
  }

  /**
   * Makes later calls to the writer reject with `closed`, and keeps the written bytes. Resolves
   * when all calls in progress have ended and the bytes of a failed snapshot have been discarded.
   */
  async detach(closed: Error): Promise<void> {
    this.#ended ??= closed;
    await this.#calls;
    await this.#discarded;
  }

  async #refuse(): Promise<never> {
    await this.#discarded;
    throw this.#ended;
  }

  #discard(): Promise<void> {
    // A call in progress may still finish the snapshot, in which case its bytes are kept.
    this.#discarded ??= this.#calls.then(() => (this.#isFinished ? undefined : this.#options.discard()));
    return this.#discarded;
  }
}
