import type { Raft } from '../../protocol/raft.js';

/**
 * Number of election timeouts without a message of the other server after which the leader ends a call,
 * and the calling server no longer waits for the outcome.
 */
const LIMIT = 4;

/**
 * Measures for how long another server has sent nothing. Does not count the time for which this process
 * was stalled, because messages of the other server may have arrived in the meantime.
 */
export class Silence {
  readonly #raft: Pick<Raft, 'now' | 'timings'>;
  #heard: number;
  #checked: number;

  constructor(raft: Pick<Raft, 'now' | 'timings'>) {
    this.#raft = raft;
    this.#heard = this.#checked = raft.now;
  }

  /** Records that the other server sent something at a time. */
  end(at: number): void {
    this.#heard = Math.max(this.#heard, at);
  }

  /** Returns whether the silence is too long. Call this at least once per heartbeat. */
  isTooLong(): boolean {
    const { now, timings } = this.#raft;
    const gap = now - this.#checked;
    if (gap > timings.election) this.#heard += gap;
    this.#checked = now;
    return now - this.#heard > LIMIT * timings.election;
  }
}
