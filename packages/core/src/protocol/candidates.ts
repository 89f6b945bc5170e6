import type { ServerId } from '../log/server.js';
import type { PreVoteReply, VoteReply } from './message.js';
import { voteResult } from './quorum.js';
import { BaseRole, type Server } from './role.js';

/** What both kinds of candidate do: ask, count voters (not answers), give up after a while. */
abstract class ElectionRole extends BaseRole {
  protected readonly server: Server;
  /** By voter, so that a duplicated answer counts once. */
  readonly #votes = new Map<ServerId, boolean>();
  readonly #since: number;
  #timeout: number;

  constructor(server: Server) {
    super();
    this.server = server;
    this.#since = server.now;
    this.#timeout = server.drawElectionTimeout();
  }

  get wakeAt(): number {
    return this.#since + this.#timeout;
  }

  tick(late: boolean): void {
    const { server } = this;
    if (server.now < this.wakeAt) return;
    if (!server.eligible || server.forgiveLateTimer(late)) server.follow(server.ballot.term, undefined);
    else server.askForPreVotes();
  }

  retime(): void {
    this.#timeout = this.server.drawElectionTimeout();
  }

  /** Everybody else whose vote counts: of both halves when joint. */
  protected *others(): Iterable<ServerId> {
    const { membership, id } = this.server;
    for (const other of new Set([...membership.voters, ...membership.outgoing])) if (other !== id) yield other;
  }

  protected count(voter: ServerId, granted: boolean): void {
    this.#votes.set(voter, granted);
    const result = voteResult(this.server.membership, (id) => this.#votes.get(id));
    if (result === 'won') this.won();
    else if (result === 'lost') this.server.follow(this.server.ballot.term, undefined);
  }

  protected abstract won(): void;
}

/** Asks whether a campaign would succeed, before it raises the term and disturbs anybody (thesis §9.6). */
export class PreCandidate extends ElectionRole {
  readonly name = 'preCandidate';

  /** Begins to ask. Apart from the constructor, since a single server has won at once. */
  begin(): void {
    const { header, log, output } = this.server;
    const { index: lastIndex, term: lastTerm } = log.last;
    for (const to of this.others()) output.send(to, { kind: 'preVote', ...header, lastIndex, lastTerm });
    this.count(this.server.id, true);
  }

  /** The answerer's own term may be below this one's: what counts is which candidacy it spoke of. */
  override preVoteReply(from: ServerId, message: PreVoteReply): void {
    if (message.candidacy === this.server.ballot.term + 1) this.count(from, message.granted);
  }

  protected won(): void {
    this.server.campaign();
  }
}

/** Asks for votes in its own term (Raft §5.2). Its own vote counts, and its requests leave, when both are durable. */
export class Candidate extends ElectionRole {
  readonly name = 'candidate';
  #votedForSelf = false;

  begin(): void {
    const { header, log, output } = this.server;
    const { index: lastIndex, term: lastTerm } = log.last;
    for (const to of this.others()) output.sendAfterWrite(to, { kind: 'vote', ...header, lastIndex, lastTerm });
  }

  override persisted(): void {
    if (this.#votedForSelf || !this.server.ballotDurable) return;
    this.#votedForSelf = true;
    this.count(this.server.id, true);
  }

  override voteReply(from: ServerId, message: VoteReply): void {
    this.count(from, message.granted);
  }

  protected won(): void {
    this.server.lead();
  }
}
