import type { ServerId } from '../log/server.js';
import type { ReadsReady } from './output.js';

/**
 * A server with reads that wait for a round, its incarnation, and the number of its newest read.
 */
export interface Asker {
  readonly server: ServerId;
  readonly incarnation: number;
  readonly ticket: number;
}

/** Number of forwarded requests whose answers are checked. */
const MAX_FORWARDED = 64;

/**
 * A round of heartbeats that confirms reads: the commit index at its start, and the servers that
 * asked before it started.
 */
interface Round {
  readonly number: number;
  readonly index: number;
  readonly askers: readonly Asker[];
}

/**
 * The reads of this server, for ReadIndex (thesis §6.4). Reads are numbers rather than objects,
 * because an index confirmed after read n started is valid for all reads up to n. So any number of
 * waiting reads needs constant memory, shares one round, and survives a change of leader.
 * `ReadRounds` is the leader's side.
 */
export class Reads {
  #asked = 0;
  #ready = 0;
  /** This server's commit index when it first asked a leader about each read, oldest first. */
  #forwarded: { readonly ticket: number; readonly committed: number }[] = [];

  /** Starts a read and returns its number. */
  ask(): number {
    this.#asked += 1;
    return this.#asked;
  }

  /** Notes that this server asks a leader about all reads up to `ticket`. */
  noteForwarded(ticket: number, committed: number): void {
    if ((this.#forwarded.at(-1)?.ticket ?? 0) >= ticket) return;
    this.#forwarded.push({ ticket, committed });
    // A leader answers the newest request, so the older ones seldom matter.
    if (this.#forwarded.length > MAX_FORWARDED) this.#forwarded.shift();
  }

  /** Returns this server's commit index before it asked about a read, or 0 if it is unknown. */
  committedBefore(ticket: number): number {
    return this.#forwarded.find((request) => request.ticket === ticket)?.committed ?? 0;
  }

  /** Number of the newest read; undefined once that read is answered. */
  get open(): number | undefined {
    return this.#asked > this.#ready ? this.#asked : undefined;
  }

  /**
   * Notes that every read up to `ticket` is answered. Returns undefined if these reads were already
   * answered.
   */
  answer(ticket: number, index: number): ReadsReady | undefined {
    if (ticket <= this.#ready || ticket > this.#asked) return undefined;
    this.#ready = ticket;
    return { ticket, index };
  }
}

/**
 * A leader's read rounds. A round confirms all reads that were waiting when it started. Only one
 * round is in progress at a time. Every heartbeat carries the number of the newest round, so a
 * later heartbeat replaces a lost one. Replies to heartbeats sent before a read started do not
 * count for that read.
 */
export class ReadRounds {
  #number = 0;
  #round: Round | undefined;
  /** Waiting requests by server. A server's newer request replaces its older request. */
  #waiting = new Map<ServerId, Asker>();

  /** Number of the newest round, which heartbeats carry. */
  get number(): number {
    return this.#number;
  }

  /**
   * Skips a round number, so that answers to later heartbeats can be distinguished from earlier
   * answers.
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

  /** Ends and returns the current round if a quorum has answered up to its number. */
  end(answered: number): Round | undefined {
    const round = this.#round;
    if (round === undefined || answered < round.number) return undefined;
    this.#round = undefined;
    return round;
  }
}
