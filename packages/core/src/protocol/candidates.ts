import type { ServerId } from '../log/server.js';
import type { PreVoteReply, VoteReply } from './message.js';
import { voteResult } from './quorum.js';
import { BaseRole, type Server } from './role.js';

/**
 * The base class of the pre-candidate and candidate roles. An attempt to become leader counts one
 * answer per voter, and ends after a timeout.
 */
abstract class ElectionRole extends BaseRole {
  protected readonly server: Server;
  /** The answer of each voter. A duplicate answer counts only once. */
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

  tick(processWasStalled: boolean): void {
    const { server } = this;
    if (server.now < this.wakeAt) return;
    if (!server.mayCampaign || server.forgiveLateTimer(processWasStalled)) server.follow(server.ballot.term, undefined);
    else server.askForPreVotes();
  }

  retime(): void {
    this.#timeout = this.server.drawElectionTimeout();
  }

  /**
   * Returns all voters other than this server, including outgoing voters if the membership is
   * joint.
   */
  protected *others(): Iterable<ServerId> {
    const { membership, id } = this.server;
    for (const other of new Set([...membership.voters, ...membership.outgoing])) if (other !== id) yield other;
  }

  /**
   * Counts a voter's answer. Ignores the answer if the voter has lost its disk, because it may have
   * forgotten a vote for another candidate.
   */
  protected countReply(from: ServerId, { store, granted }: PreVoteReply | VoteReply): void {
    if (this.server.trusts(from, store)) this.count(from, granted);
  }

  protected count(voter: ServerId, granted: boolean): void {
    this.#votes.set(voter, granted);
    const result = voteResult(this.server.membership, (id) => this.#votes.get(id));
    if (result === 'won') this.won();
    else if (result === 'lost') this.server.follow(this.server.ballot.term, undefined);
  }

  protected abstract won(): void;
}

/**
 * The pre-candidate role first asks the voters whether an election would succeed. Otherwise, even a
 * failed election would raise the term and disturb other servers (thesis §9.6).
 */
export class PreCandidate extends ElectionRole {
  readonly name = 'preCandidate';

  /**
   * Sends the pre-vote requests. The constructor cannot send them, because the only voter of a
   * cluster wins immediately and changes its role, which must not happen during construction.
   */
  begin(): void {
    const { header, log, output } = this.server;
    const { index: lastIndex, term: lastTerm } = log.last;
    for (const to of this.others()) output.send(to, { kind: 'preVote', ...header, lastIndex, lastTerm });
    this.count(this.server.id, true);
  }

  /**
   * Counts a reply if its `candidacy` matches this pre-vote. The reply's term may be lower than
   * this server's term.
   */
  override preVoteReply(from: ServerId, message: PreVoteReply): void {
    if (message.candidacy === this.server.ballot.term + 1) this.countReply(from, message);
  }

  protected won(): void {
    this.server.campaign();
  }
}

/**
 * The candidate role asks for votes in a new term (Raft §5.2). The candidate sends its requests,
 * and counts its own vote, only once its new term and vote are durable.
 */
export class Candidate extends ElectionRole {
  readonly name = 'candidate';
  readonly #transfer: boolean;
  #votedForSelf = false;

  constructor(server: Server, transfer: boolean) {
    super(server);
    this.#transfer = transfer;
  }

  begin(): void {
    const { header, log, output } = this.server;
    const { index: lastIndex, term: lastTerm } = log.last;
    const vote = { kind: 'vote', ...header, lastIndex, lastTerm } as const;
    for (const to of this.others()) output.sendAfterWrite(to, this.#transfer ? { ...vote, transfer: true } : vote);
  }

  override persisted(): void {
    if (this.#votedForSelf || !this.server.ballotDurable) return;
    this.#votedForSelf = true;
    this.count(this.server.id, true);
  }

  override voteReply(from: ServerId, message: VoteReply): void {
    this.countReply(from, message);
  }

  protected won(): void {
    this.server.lead();
  }
}
