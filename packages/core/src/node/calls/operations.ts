import type { Raft } from '../../protocol/raft.js';

/** A condition that is checked after each turn of the protocol. */
interface Watch {
  readonly holds: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** Removes the condition and its abort listener. */
  readonly forget: () => void;
}

/**
 * Operations that run within the next turn of the protocol, and conditions that are checked after
 * each turn because calls are waiting for them.
 */
export class Operations {
  readonly #schedule: () => void;
  #queued: ((raft: Raft) => void)[] = [];
  readonly #watches = new Set<Watch>();

  constructor(schedule: () => void) {
    this.#schedule = schedule;
  }

  /**
   * Runs an operation in the next turn and resolves with its return value. The promise never
   * settles if the node ends first.
   */
  run<T>(operation: (raft: Raft) => T): Promise<T> {
    return new Promise((resolve) => {
      this.#queued.push((raft) => resolve(operation(raft)));
      this.#schedule();
    });
  }

  /**
   * Resolves when a condition holds. The condition is checked immediately and after every turn.
   * Rejects if the condition throws, because a condition may call application code. The promise
   * never settles once `signal` is aborted.
   */
  async until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    if (holds()) return;
    if (signal.aborted) return new Promise(() => {});
    await new Promise<void>((resolve, reject) => {
      const forget = (): void => {
        this.#watches.delete(watch);
        signal.removeEventListener('abort', forget);
      };
      const watch = { holds, resolve, reject, forget };
      this.#watches.add(watch);
      signal.addEventListener('abort', forget);
    });
  }

  /** Runs the queued operations. Called within a turn. */
  perform(raft: Raft): void {
    if (this.#queued.length === 0) return;
    const queued = this.#queued;
    this.#queued = [];
    for (const operation of queued) operation(raft);
  }

  /** Checks the waiting conditions. Called after a turn. */
  check(): void {
    for (const watch of this.#watches) {
      try {
        if (!watch.holds()) continue;
        watch.resolve();
      } catch (error) {
        watch.reject(error);
      }
      watch.forget();
    }
  }
}
