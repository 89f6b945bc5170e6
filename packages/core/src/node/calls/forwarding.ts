import { commandBytes, type Position } from '../../log/entry.js';
import type { ProposalRefusal, ProposeReply } from '../../protocol/message.js';
import type { Raft } from '../../protocol/raft.js';
import type { Proposal } from './proposal.js';

/**
 * Proposals that were sent in one message, in order. The leader also answers all of them in one
 * message.
 */
interface Batch<Result> {
  readonly ticket: number;
  readonly proposals: readonly Proposal<Result>[];
  /** Number of proposals in the batch whose callers are still waiting. */
  open: number;
}

/** The outcome of an applied entry. */
export interface Outcome<Result> {
  readonly term: number;
  readonly result: Result | undefined;
}

/** Callbacks that handle the leader's answers to forwarded proposals. */
interface Answers<Result> {
  /** Called when the leader has appended a proposal at `position`. */
  appended(proposal: Proposal<Result>, position: Position): void;
  refused(proposal: Proposal<Result>, why: ProposalRefusal): void;
}

/**
 * Maximum number of outcomes kept in memory. They are kept while answers from the leader are
 * outstanding.
 */
const MAX_OUTCOMES = 10_000;

/**
 * Forwards the proposals of a follower to the leader. Proposals wait until this server knows a
 * leader, and all waiting proposals are sent in as few messages as possible. The leader answers
 * with the positions of the proposals' entries. This server's state machine returns the result of
 * each command when it applies the entry.
 *
 * A proposal is sent again only after the leader has refused it. A proposal without an answer may
 * have been appended, so it is not sent again.
 */
export class Forwarding<Result> {
  readonly #raft: Raft;
  readonly #answers: Answers<Result>;
  #waiting = new Set<Proposal<Result>>();
  readonly #sent = new Map<number, Batch<Result>>();
  readonly #batchOf = new Map<Proposal<Result>, Batch<Result>>();
  /**
   * Outcomes by index, for entries that were applied while answers from the leader were
   * outstanding.
   */
  readonly #outcomes = new Map<number, Outcome<Result>>();
  /** The time before which no proposals are sent, because the leader has just refused proposals. */
  #pausedUntil = 0;

  constructor(raft: Raft, answers: Answers<Result>) {
    this.#raft = raft;
    this.#answers = answers;
  }

  add(proposal: Proposal<Result>): void {
    this.#waiting.add(proposal);
  }

  /**
   * Removes and returns the proposals that have not been sent yet or that the leader has refused.
   */
  takeWaiting(): ReadonlySet<Proposal<Result>> {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    return waiting;
  }

  /** Sends the waiting proposals to the leader, if this server knows one. */
  send(): void {
    const raft = this.#raft;
    const isLed = raft.leader !== undefined && raft.role !== 'leader';
    if (this.#waiting.size === 0 || raft.now < this.#pausedUntil || !isLed) return;
    if (!raft.forwarded.canForward)
      return this.takeWaiting().forEach((proposal) => this.#answers.refused(proposal, 'notLeader'));
    let batch: Proposal<Result>[] = [];
    let bytes = 0;
    for (const proposal of this.takeWaiting()) {
      const more = commandBytes(proposal.data.length);
      if (batch.length > 0 && bytes + more > raft.limits.messageBytes) {
        this.#send(batch);
        [batch, bytes] = [[], 0];
      }
      batch.push(proposal);
      bytes += more;
    }
    if (batch.length > 0) this.#send(batch);
  }

  /**
   * Removes an abandoned proposal. Returns whether the proposal was sent and is still unanswered.
   */
  giveUp(proposal: Proposal<Result>): boolean {
    // Remove the proposal, because abandoned proposals would accumulate while there is no leader.
    this.#waiting.delete(proposal);
    const batch = this.#batchOf.get(proposal);
    if (batch === undefined) return false;
    this.#batchOf.delete(proposal);
    batch.open -= 1;
    this.#forgetIfDone(batch);
    return true;
  }

  answered({ ticket, term, accepted, index, refused }: ProposeReply): void {
    const batch = this.#sent.get(ticket);
    if (batch === undefined) return;
    if (refused !== undefined) this.#pausedUntil = this.#raft.now + this.#raft.timings.heartbeat;
    batch.proposals.forEach((proposal, i) => {
      // If the answer gives no reason for refusing the remaining proposals, their outcome is
      // unknown.
      if ((i >= accepted && refused === undefined) || !this.#batchOf.delete(proposal)) return;
      batch.open -= 1;
      if (i < accepted) this.#answers.appended(proposal, { index: index + i, term });
      else if (refused !== undefined) this.#answers.refused(proposal, refused);
    });
    this.#forgetIfDone(batch);
  }

  /**
   * Stores the outcome of an applied entry. The leader may answer only later that this entry
   * belongs to a forwarded proposal.
   */
  noteApplied({ index, term }: Position, result: Result | undefined): void {
    if (this.#sent.size === 0) return;
    this.#outcomes.set(index, { term, result });
    if (this.#outcomes.size <= MAX_OUTCOMES) return;
    for (const oldest of this.#outcomes.keys()) return void this.#outcomes.delete(oldest);
  }

  /** Whether the leader has not yet answered some of the forwarded proposals. */
  get areSent(): boolean {
    return this.#sent.size > 0;
  }

  outcomeAt(index: number): Outcome<Result> | undefined {
    return this.#outcomes.get(index);
  }

  /** Removes and returns all proposals that have been sent and are still unanswered. */
  takeSent(): readonly Proposal<Result>[] {
    const sent = [...this.#batchOf.keys()];
    this.#batchOf.clear();
    this.#sent.clear();
    return sent;
  }

  #forgetIfDone({ open, ticket }: Batch<Result>): void {
    if (open > 0) return;
    this.#sent.delete(ticket);
    if (this.#sent.size === 0) this.#outcomes.clear();
  }

  #send(proposals: readonly Proposal<Result>[]): void {
    const ticket = this.#raft.forwarded.send(proposals.map(({ data }) => data));
    const batch = { ticket, proposals, open: proposals.length };
    this.#sent.set(ticket, batch);
    for (const proposal of proposals) this.#batchOf.set(proposal, batch);
  }
}
