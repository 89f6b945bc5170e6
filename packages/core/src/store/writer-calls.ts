import { KontikiError } from '../errors.js';

export interface WriterCallsOptions {
  /** The snapshot's. */
  readonly id: string;
  /** What a failed call and all later ones are told. */
  readonly failure: (error: unknown) => Error;
  /** Takes away what was written. Called once at the most, when no call is under way any more. */
  readonly forget: () => Promise<void>;
}

/** The calls of one `SnapshotWriter`: the first that fails ends it, and what was written is forgotten before that is told. */
export class WriterCalls {
  readonly #options: WriterCallsOptions;
  /** What every later call is told. */
  #over: unknown;
  #finished = false;
  /** The calls under way: it resolves when they have ended. */
  #calls: Promise<void> = Promise.resolve();
  #forgotten: Promise<void> | undefined;

  constructor(options: WriterCallsOptions) {
    this.#options = options;
  }

  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#over !== undefined) return this.#refuse();
    const running = call();
    // Not what they came to: each would hold on to all before it.
    this.#calls = Promise.allSettled([this.#calls, running]).then(() => {});
    try {
      return await running;
    } catch (error) {
      const failure = this.#options.failure(error);
      this.#over ??= failure;
      await this.#forget();
      throw failure;
    }
  }

  /** Told by the call that has made it whole and visible. */
  finished(): void {
    this.#finished = true;
    this.#over = new KontikiError('KONTIKI_CLOSED', `Snapshot ${this.#options.id} is finished.`);
  }

  async abort(): Promise<void> {
    if (this.#over !== undefined) return this.#forgotten;
    this.#over = new KontikiError('KONTIKI_ABORTED', `Snapshot ${this.#options.id} was given up.`);
    await this.#forget();
  }

  /** The store closes: what is written stays. Resolves when the calls under way have ended. */
  async detach(closed: Error): Promise<void> {
    this.#over ??= closed;
    await this.#calls;
    await this.#forgotten;
  }

  /** Whoever is told may begin the same snapshot anew at once. */
  async #refuse(): Promise<never> {
    await this.#forgotten;
    throw this.#over;
  }

  #forget(): Promise<void> {
    // The call under way may have finished it.
    this.#forgotten ??= this.#calls.then(() => (this.#finished ? undefined : this.#options.forget()));
    return this.#forgotten;
  }
}
