import { commandBytes, type Position } from '../../log/entry.js';
import type { ProposalRefusal, ProposeReply } from '../../protocol/message.js';
import type { Raft } from '../../protocol/raft.js';
import type { Proposal } from './proposal.js';

/** Proposals sent in one message, in order. The leader answers them together. */
interface Batch<Result> {
  readonly ticket: number;
  readonly proposals: readonly Proposal<Result>[];
  /** How many of them have callers that still wait. */
  open: number;
}

/** The outcome of an applied entry. */
export interface Outcome<Result> {
  readonly term: number;
  readonly result: Result | undefined;
}

/** What is done with proposals once the leader has answered. */
interface Answers<Result> {
  /** Called with the position at which the leader has appended a proposal. */
  appended(proposal: Proposal<Result>, position: Position): void;
  refused(proposal: Proposal<Result>, why: ProposalRefusal): void;
}

/** Maximum number of applied entries whose outcome is kept for answers that are still missing. */
const MAX_OUTCOMES = 10_000;

/**
 * The proposals of a server that does not lead. They wait until a leader is known, and are sent to
 * it, as many in one message as wait. The leader answers with the position of their entries. The
 * result comes from this server's own state machine, when it applies them.
 *
 * A proposal is sent again only after the leader has refused it. Without an answer it may have been
 * appended.
 */
export class Forwarding<Result> {
  readonly #raft: Raft;
  readonly #answers: Answers<Result>;
  #waiting = new Set<Proposal<Result>>();
  readonly #sent = new Map<number, Batch<Result>>();
  readonly #batchOf = new Map<Proposal<Result>, Batch<Result>>();
  /** The outcomes of entries that were applied while answers were missing, by index. */
  readonly #outcomes = new Map<number, Outcome<Result>>();
  /** The time before which nothing is sent, because the leader has just refused something. */
  #pausedUntil = 0;

  constructor(raft: Raft, answers: Answers<Result>) {
    this.#raft = raft;
    this.#answers = answers;
  }

  add(proposal: Proposal<Result>): void {
    this.#waiting.add(proposal);
  }

  /** Removes and returns the proposals that were not sent, or were refused. */
  takeWaiting(): ReadonlySet<Proposal<Result>> {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    return waiting;
  }

  /** Sends the waiting proposals to the leader, if there is one. */
  send(): void {
    const raft = this.#raft;
    const isLed = raft.leader !== undefined && raft.role !== 'leader';
    if (this.#waiting.size === 0 || raft.now < this.#pausedUntil || !isLed) return;
    if (!raft.canForward) return this.takeWaiting().forEach((proposal) => this.#answers.refused(proposal, 'notLeader'));
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

  /** Forgets a proposal. Returns whether it was sent and not answered. */
  giveUp(proposal: Proposal<Result>): boolean {
    // Without a leader, proposals that timed out would pile up.
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
      // Without a reason nothing is known about the rest.
      if ((i >= accepted && refused === undefined) || !this.#batchOf.delete(proposal)) return;
      batch.open -= 1;
      if (i < accepted) this.#answers.appended(proposal, { index: index + i, term });
      else if (refused !== undefined) this.#answers.refused(proposal, refused);
    });
    this.#forgetIfDone(batch);
  }

  /** Notes the outcome of an applied entry. The answer that names its index may still be missing. */
  noteApplied({ index, term }: Position, result: Result | undefined): void {
    if (this.#sent.size === 0) return;
    this.#outcomes.set(index, { term, result });
    if (this.#outcomes.size <= MAX_OUTCOMES) return;
    for (const oldest of this.#outcomes.keys()) return void this.#outcomes.delete(oldest);
  }

  /** Whether the answer to any proposal is missing. */
  get areSent(): boolean {
    return this.#sent.size > 0;
  }

  outcomeAt(index: number): Outcome<Result> | undefined {
    return this.#outcomes.get(index);
  }

  /** Removes and returns all proposals that were sent and not answered. */
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
    const ticket = this.#raft.forward(proposals.map(({ data }) => data));
    const batch = { ticket, proposals, open: proposals.length };
    this.#sent.set(ticket, batch);
    for (const proposal of proposals) this.#batchOf.set(proposal, batch);
  }
}
