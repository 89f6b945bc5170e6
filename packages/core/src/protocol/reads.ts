import type { ServerId } from '../log/server.js';
import type { ReadsReady } from './output.js';

/** A server whose reads wait for a round: its incarnation, and the number of its newest read. */
export interface Asker {
  readonly server: ServerId;
  readonly incarnation: number;
  readonly ticket: number;
}

/**
 * A round of heartbeats that confirms reads: the commit index at its start, and the servers that
 * asked before.
 */
interface Round {
  readonly number: number;
  readonly index: number;
  readonly askers: readonly Asker[];
}

/**
 * The reads of this server, for ReadIndex (thesis §6.4). Reads are numbers, not objects: an index
 * that was confirmed after read n started serves all reads up to n. So any number of waiting reads
 * takes constant memory, shares one round, and survives a change of leader. `ReadRounds` is the
 * leader's part.
 */
export class Reads {
  #asked = 0;
  #ready = 0;

  /** Starts a read and returns its number. */
  ask(): number {
    this.#asked += 1;
    return this.#asked;
  }

  /** Number of the newest read; undefined if it is answered. */
  get open(): number | undefined {
    return this.#asked > this.#ready ? this.#asked : undefined;
  }

  /**
   * Notes that every read up to `ticket` is answered. Returns undefined if that was known already.
   */
  answer(ticket: number, index: number): ReadsReady | undefined {
    if (ticket <= this.#ready || ticket > this.#asked) return undefined;
    this.#ready = ticket;
    return { ticket, index };
  }
}

/**
 * A leader's read rounds. One round is in progress for all reads that were waiting when it started,
 * and the next one starts when it ends. Every heartbeat carries the number of the newest round, so
 * a lost heartbeat is repeated. Replies to heartbeats that left before a read do not count for it.
 */
export class ReadRounds {
  #number = 0;
  #round: Round | undefined;
  /** By server: a newer request of a server replaces its older one. */
  #waiting = new Map<ServerId, Asker>();

  /** Number of the newest round, which heartbeats carry. */
  get number(): number {
    return this.#number;
  }

  ask(asker: Asker): void {
    const waiting = this.#waiting.get(asker.server);
    if (waiting?.incarnation === asker.incarnation && waiting.ticket >= asker.ticket) return;
    this.#waiting.set(asker.server, asker);
  }

  /** Starts a round if reads wait and none is in progress. Returns whether it did. */
  start(committed: number): boolean {
    if (this.#round !== undefined || this.#waiting.size === 0) return false;
    this.#number += 1;
    this.#round = { number: this.#number, index: committed, askers: [...this.#waiting.values()] };
    this.#waiting = new Map();
    return true;
  }

  /** Ends the round, and returns it, if a quorum has answered it or a later one. */
  end(answered: number): Round | undefined {
    const round = this.#round;
    if (round === undefined || answered < round.number) return undefined;
    this.#round = undefined;
    return round;
  }
}
