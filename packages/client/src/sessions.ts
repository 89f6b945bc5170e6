import { formatPlace } from './session-header.js';

/**
 * Maximum number of commands of a session from its oldest one without an outcome to its newest one.
 * The servers refuse commands beyond it.
 */
const MAX_UNSETTLED = 1_024;

/** An open session, and its commands that have no outcome yet. */
export class Session {
  readonly #id: number;
  /** The sequence number of the newest command. */
  #sequence = 0;
  /** The sequence numbers of commands without an outcome, in ascending order. */
  readonly #open = new Set<number>();

  constructor(id: number) {
    this.#id = id;
  }

  get hasRoom(): boolean {
    return this.#sequence - this.#settled < MAX_UNSETTLED;
  }

  /** Numbers a command, which has no outcome until `end`. */
  begin(): number {
    this.#sequence += 1;
    this.#open.add(this.#sequence);
    return this.#sequence;
  }

  /** Called when a command has an outcome, or when its caller does not wait for it any more. */
  end(sequence: number): void {
    this.#open.delete(sequence);
  }

  /** Returns the value of the session header for an attempt of a command. */
  headerOf(sequence: number): string {
    return formatPlace({ session: this.#id, sequence, settled: this.#settled });
  }

  /** The sequence number up to which no command is retried. */
  get #settled(): number {
    for (const first of this.#open) return first - 1;
    return this.#sequence;
  }
}
