import type { Message, ServerId } from '@kontiki/core';
import type { InvariantChecker } from './invariant-checker.js';

/**
 * Checks the terms of messages, the votes, and the leaders. Each public method is called when the
 * event in its name occurs on a server.
 */
export class Ballots {
  readonly #invariants: InvariantChecker;
  /** The process that leads each term, as server id and process number. */
  readonly #leaders = new Map<number, string>();
  /** The candidate that each voter voted for, by voter and term. */
  readonly #votes = new Map<string, ServerId>();
  /** The highest term in which each server has sent a message, across all its processes. */
  readonly #sentTerms = new Map<ServerId, number>();

  constructor(invariants: InvariantChecker) {
    this.#invariants = invariants;
  }

  /** Called when a server starts in a term. */
  started(id: ServerId, term: number): void {
    const sent = this.#sentTerms.get(id) ?? 0;
    this.#invariants.check('termsRise', term >= sent, () => `${id} sent in term ${sent} and starts in term ${term}`);
  }

  /**
   * Called when a server has lost its disk. From then on, the server may send messages in lower
   * terms, and it may vote again, because only votes of the lost store count.
   */
  wiped(id: ServerId): void {
    this.#sentTerms.delete(id);
    for (const key of this.#votes.keys()) if (key.startsWith(`${id}/`)) this.#votes.delete(key);
  }

  /**
   * Called when a server sends a message. `durableTerm` is the newest term on its disk. `votes`
   * tells whether the server's votes count.
   */
  sent(id: ServerId, to: ServerId, message: Message, durableTerm: number, votes = true): void {
    const { kind, term } = message;
    if (kind === 'preVote') return;
    if (term > (this.#sentTerms.get(id) ?? 0)) this.#sentTerms.set(id, term);
    this.#invariants.check(
      'termIsDurable',
      term <= durableTerm,
      () => `${id} sends ${kind} in term ${term}, but only term ${durableTerm} is durable`,
    );
    if (!votes) return;
    if (kind === 'vote') this.#voted(id, term, id);
    else if (kind === 'voteReply' && message.granted) this.#voted(id, term, to);
  }

  /**
   * Called when a process becomes the leader of a term. `process` identifies both the server and
   * its process.
   */
  leads(process: string, term: number): void {
    const other = this.#leaders.get(term) ?? process;
    this.#invariants.check('electionSafety', other === process, () => `${other} and ${process} lead term ${term}`);
    this.#leaders.set(term, process);
  }

  #voted(voter: ServerId, term: number, candidate: ServerId): void {
    const key = `${voter}/${term}`;
    const before = this.#votes.get(key);
    const once = before === undefined || before === candidate;
    this.#invariants.check(
      'oneVotePerTerm',
      once,
      () => `${voter} votes for ${before} and ${candidate} in term ${term}`,
    );
    this.#votes.set(key, candidate);
  }
}
