import type { ServerId } from '../log/server.js';
import type { ReadsReady } from './output.js';

/**
 * A server whose reads are waiting to be confirmed, with its incarnation and the number of its
 * newest read.
 */
export interface Asker {
  readonly server: ServerId;
  readonly incarnation: number;
  readonly ticket: number;
}

/** Maximum number of forwarded read requests to remember, so that their answers can be checked. */
const MAX_FORWARDED = 64;

/**
 * A round of heartbeats that confirms reads. It records the leader's commit index when the round
 * started, and the servers whose reads were waiting at that time.
 */
interface Round {
  readonly number: number;
  readonly index: number;
  readonly askers: readonly Asker[];
}

/**
 * The linearizable reads of this server, according to ReadIndex (thesis §6.4). `ReadRounds`
 * implements the leader's side of the protocol. A read is a number rather than an object. An index
 * that was confirmed after read n started is valid for all reads up to n. So any number of waiting
 * reads can share one round of heartbeats and takes up constant memory. They also survive a change
 * of leader.
 */
export class Reads {
  #asked = 0;
  #ready = 0;
  /**
   * For each read that a leader was asked to confirm, this server's commit index at the time of the
   * first request. In ascending order of ticket.
   */
  #forwarded: { readonly ticket: number; readonly committed: number }[] = [];

  /** Starts a read and returns its number. */
  ask(): number {
    this.#asked += 1;
    return this.#asked;
  }

  /** Records that this server is asking a leader to confirm all reads up to `ticket`. */
  noteForwarded(ticket: number, committed: number): void {
    if ((this.#forwarded.at(-1)?.ticket ?? 0) >= ticket) return;
    this.#forwarded.push({ ticket, committed });
    // A leader answers only the newest request, so older requests seldom matter.
    if (this.#forwarded.length > MAX_FORWARDED) this.#forwarded.shift();
  }

  /**
   * Returns the commit index that this server had when it first asked a leader to confirm a read,
   * or 0 if that index is unknown.
   */
  committedBefore(ticket: number): number {
    return this.#forwarded.find((request) => request.ticket === ticket)?.committed ?? 0;
  }

  /** The number of the newest read; undefined if that read has already been confirmed. */
  get open(): number | undefined {
    return this.#asked > this.#ready ? this.#asked : undefined;
  }

  /**
   * Records that every read up to `ticket` has been confirmed. Returns undefined if they had all
   * been confirmed before.
   */
  answer(ticket: number, index: number): ReadsReady | undefined {
    if (ticket <= this.#ready || ticket > this.#asked) return undefined;
    this.#ready = ticket;
    return { ticket, index };
  }
}

/**
 * A leader's read rounds. A round of heartbeats confirms all reads that were waiting when the round
 * started. Only one round is in progress at a time. Every heartbeat carries the number of the
 * newest round, so a later heartbeat replaces a lost one. A reply to a heartbeat that was sent
 * before a read started does not count for that read.
 */
export class ReadRounds {
  #number = 0;
  #round: Round | undefined;
  /** Waiting read requests by server. A newer request from a server replaces its older one. */
  #waiting = new Map<ServerId, Asker>();

  /** The number of the newest round. Every heartbeat carries this number. */
  get number(): number {
    return this.#number;
  }

  /**
   * Takes the next round number without starting a round, and returns it. Answers that carry this
   * number or a higher one were sent after this call.
   */
  skip(): number {
    this.#number += 1;
    return this.#number;
  }

  ask(asker: Asker): void {
    const waiting = this.#waiting.get(asker.server);
    if (waiting?.incarnation === asker.incarnation && waiting.ticket >= asker.ticket) return;
    this.#waiting.set(asker.server, asker);
  }

  /**
   * Starts a round if reads are waiting and no round is in progress. Returns whether a round was
   * started.
   */
  start(committed: number): boolean {
    if (this.#round !== undefined || this.#waiting.size === 0) return false;
    this.#number += 1;
    this.#round = { number: this.#number, index: committed, askers: [...this.#waiting.values()] };
    this.#waiting = new Map();
    return true;
  }

  /**
   * Ends the current round and returns it. Returns undefined if `answered`, the newest round to which
   * a quorum has replied, is an earlier one.
   */
  end(answered: number): Round | undefined {
    const round = this.#round;
    if (round === undefined || answered < round.number) return undefined;
    this.#round = undefined;
    return round;
  }
}
