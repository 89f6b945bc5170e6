import type { Message, ServerId } from '@kontiki/core';
import type { InvariantChecker } from './invariant-checker.js';

/** Watches the terms that servers speak in, the votes they give, and who leads. */
export class Ballots {
  readonly #invariants: InvariantChecker;
  readonly #leaders = new Map<number, string>();
  readonly #votes = new Map<string, ServerId>();
  /** The highest term that a server has spoken in, over all its lives. */
  readonly #spoken = new Map<ServerId, number>();

  constructor(invariants: InvariantChecker) {
    this.#invariants = invariants;
  }

  /** A server begins a life in a term. */
  started(id: ServerId, term: number): void {
    const spoken = this.#spoken.get(id) ?? 0;
    this.#invariants.check('termsRise', term >= spoken, () => `${id} spoke in term ${spoken} and starts in ${term}`);
  }

  /** It remembers nothing any more, and may say so. */
  wiped(id: ServerId): void {
    this.#spoken.delete(id);
  }

  /** `durableTerm`: the newest term on the sender's disk. */
  sent(id: ServerId, to: ServerId, message: Message, durableTerm: number): void {
    const { kind, term } = message;
    if (kind === 'preVote') return;
    if (term > (this.#spoken.get(id) ?? 0)) this.#spoken.set(id, term);
    this.#invariants.check(
      'termIsDurable',
      term <= durableTerm,
      () => `${id} sends ${kind} of term ${term}, with ${durableTerm} on its disk`,
    );
    if (kind === 'vote') this.#voted(id, term, id);
    else if (kind === 'voteReply' && message.granted) this.#voted(id, term, to);
  }

  /** `life` tells the lives of a server apart. */
  leads(life: string, term: number): void {
    const other = this.#leaders.get(term) ?? life;
    this.#invariants.check('electionSafety', other === life, () => `${other} and ${life} lead term ${term}`);
    this.#leaders.set(term, life);
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
