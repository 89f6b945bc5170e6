import { ClientError } from './errors.js';

/** The limits of a call. */
export interface CallOptions {
  /** A signal that aborts the call. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call gives up, including all retries. */
  readonly timeout?: number | undefined;
}

/** The longest delay that `setTimeout` supports, in milliseconds: about 25 days. */
export const MAX_DELAY: number = 2 ** 31 - 1;

type Ending = 'timeout' | 'aborted' | 'closed';

/** A call in progress. Its signal is aborted at its deadline, by its caller, or by `end`. */
export class Call {
  readonly #controller = new AbortController();
  readonly #timeout: number;
  readonly #deadline: number;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #given: AbortSignal | undefined;
  #ending: Ending | undefined;

  constructor(timeout: number, signal: AbortSignal | undefined) {
    this.#timeout = timeout;
    this.#deadline = performance.now() + timeout;
    if (timeout <= MAX_DELAY) this.#timer = setTimeout(() => this.end('timeout'), timeout);
    this.#given = signal;
    if (signal?.aborted === true) this.#abort();
    signal?.addEventListener('abort', this.#abort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Milliseconds until the deadline. */
  get leftMs(): number {
    return Math.max(1, this.#deadline - performance.now());
  }

  get isOver(): boolean {
    return this.#ending !== undefined;
  }

  end(ending: Ending): void {
    this.#ending ??= ending;
    this.#controller.abort();
  }

  /** Called when the call has settled. */
  release(): void {
    clearTimeout(this.#timer);
    this.#given?.removeEventListener('abort', this.#abort);
  }

  /** Returns the error for a call that is over. `effect` is a sentence about its effect. */
  error(reason: string, effect: string): ClientError {
    const { reason: cause } = this.#given ?? {};
    if (this.#ending === 'aborted')
      return new ClientError('KONTIKI_ABORTED', `The call was aborted.${effect}`, { cause });
    if (this.#ending === 'closed') return new ClientError('KONTIKI_CLOSED', `The client was closed.${effect}`);
    const text = `Gave up after ${this.#timeout} ms: ${reason}.${effect} Check that a majority of the nodes is running.`;
    return new ClientError('KONTIKI_TIMEOUT', text);
  }

  readonly #abort = (): void => this.end('aborted');
}

/** Resolves after `ms` milliseconds, or when the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    }
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}

/** Resolves when a promise settles, or when the signal is aborted. */
export function settledOrAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      signal.removeEventListener('abort', end);
      resolve();
    };
    promise.then(end, end);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}
