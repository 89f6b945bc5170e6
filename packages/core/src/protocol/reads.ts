import type { ServerId } from '../log/server.js';
import type { ReadsReady } from './output.js';

/** Who waits for a round: a server, that life of it, and its newest read. */
export interface Asker {
  readonly server: ServerId;
  readonly incarnation: number;
  readonly ticket: number;
}

/** Reads that a round of heartbeats answers: the commit index when it began, and who asked before that. */
interface Round {
  readonly number: number;
  readonly index: number;
  readonly askers: readonly Asker[];
}

/**
 * ReadIndex (thesis §6.4). Reads are numbered, and an answer serves every read up to its number, so what waits takes
 * no room however many wait. `Reads` holds what outlives a role: the numbers; a leader's rounds are in `ReadRounds`.
 */
export class Reads {
  #asked = 0;
  #ready = 0;

  /** The number of a new read. */
  ask(): number {
    this.#asked += 1;
    return this.#asked;
  }

  /** The newest read, when it is not answered yet. */
  get open(): number | undefined {
    return this.#asked > this.#ready ? this.#asked : undefined;
  }

  /** Every read up to `ticket` is answered; undefined when that is no news. */
  answer(ticket: number, index: number): ReadsReady | undefined {
    if (ticket <= this.#ready || ticket > this.#asked) return undefined;
    this.#ready = ticket;
    return { ticket, index };
  }
}

/**
 * A leader's rounds: one under way for all reads that wait, the next one begins when it is answered. A round's number
 * rides on every heartbeat, so a lost one is asked again; answers to heartbeats that left before a read do not count.
 */
export class ReadRounds {
  #number = 0;
  #round: Round | undefined;
  /** By server: a newer request of the same one stands for the older. */
  #waiting = new Map<ServerId, Asker>();

  /** The newest round, for heartbeats to carry. */
  get number(): number {
    return this.#number;
  }

  ask(asker: Asker): void {
    const waiting = this.#waiting.get(asker.server);
    if (waiting?.incarnation === asker.incarnation && waiting.ticket >= asker.ticket) return;
    this.#waiting.set(asker.server, asker);
  }

  /** Begins a round if reads wait and none is under way. */
  begin(committed: number): boolean {
    if (this.#round !== undefined || this.#waiting.size === 0) return false;
    this.#number += 1;
    this.#round = { number: this.#number, index: committed, askers: [...this.#waiting.values()] };
    this.#waiting = new Map();
    return true;
  }

  /** Ends the round if a quorum has answered it or a later one. */
  end(answered: number): Round | undefined {
    const round = this.#round;
    if (round === undefined || answered < round.number) return undefined;
    this.#round = undefined;
    return round;
  }
}
